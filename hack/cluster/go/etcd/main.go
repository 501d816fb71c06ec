// Command etcd is the etcd server. Its module ships the server as a library, so the main function is ours.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}

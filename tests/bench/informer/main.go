// One contender of ../sensor.py: a client-go shared informer on pods, as most Go operators run it.
// It caches whole pods; managed fields are dropped, as careful operators do. Talks to sensor.py over stdout.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

func rss() (kib int) {
	file, _ := os.Open("/proc/self/status")
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "VmRSS:") {
			fmt.Sscanf(lines.Text(), "VmRSS: %d", &kib)
		}
	}
	return kib
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	must(err)
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.ContentType = "application/vnd.kubernetes.protobuf"
	client, err := kubernetes.NewForConfig(config)
	must(err)
	fmt.Println("base", rss())
	pods := informers.NewSharedInformerFactory(client, 0).Core().V1().Pods().Informer()
	must(pods.SetTransform(func(obj any) (any, error) {
		if pod, ok := obj.(*corev1.Pod); ok {
			pod.ManagedFields = nil
		}
		return obj, nil
	}))
	handler, err := pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, obj any) {
			pod := obj.(*corev1.Pod)
			fmt.Println("event", pod.Name, pod.ResourceVersion, time.Now().UnixNano())
		},
	})
	must(err)
	stop := make(chan struct{})
	go pods.Run(stop)
	cache.WaitForCacheSync(stop, handler.HasSynced)
	fmt.Println("synced", len(pods.GetStore().ListKeys()))
	<-stop
}

// Command shop is the workload of the samples and of the end-to-end tests: a small web server that can be told, by
// environment variables only, to fail in each way that Prunella repairs.
//
// It is PID 1 of its container on purpose: with cgroup v1 an OOM kill takes one process, and only the death of PID 1
// makes the kubelet report OOMKilled.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const mebibyte = 1 << 20

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC)
	onTerm()
	requireEnv(os.Getenv("SHOP_REQUIRE_ENV"))
	dependOn(os.Getenv("SHOP_DEPENDS_ON"))
	go useMemory(number("SHOP_MEMORY_MIB"), duration("SHOP_MEMORY_AFTER", 0), number("SHOP_LEAK_MIB_PER_S"))
	go exitLater()
	go visit(os.Getenv("SHOP_VISIT"), number("SHOP_VISITS_PER_S"))
	serve()
}

// onTerm exits at once, so that rollouts in tests are quick, or never, to be a program that only SIGKILL ends (exit
// code 137 without any OOM).
func onTerm() {
	if os.Getenv("SHOP_IGNORE_SIGTERM") == "true" {
		signal.Ignore(syscall.SIGTERM)
		return
	}
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-terms
		log.Print("terminating")
		os.Exit(0)
	}()
}

func requireEnv(names string) {
	for _, name := range strings.Split(names, ",") {
		name = strings.TrimSpace(name)
		if name != "" && os.Getenv(name) == "" {
			log.Fatalf("FATAL: required environment variable %s is not set", name)
		}
	}
}

func dependOn(address string) {
	if address == "" {
		return
	}
	connection, err := net.DialTimeout("tcp", address, 3*time.Second)
	if err != nil {
		log.Fatalf("FATAL: cannot reach dependency %s: %v", address, err)
	}
	connection.Close()
}

// useMemory maps memory outside the Go heap, so that exactly as many MiB are used as were asked for: the collector
// neither doubles nor frees them.
func useMemory(mib int, after time.Duration, leakPerSecond int) {
	time.Sleep(after)
	hold(mib)
	if mib > 0 {
		log.Printf("holding %d MiB", mib)
	}
	for leaked := leakPerSecond; leakPerSecond > 0; leaked += leakPerSecond {
		time.Sleep(time.Second)
		hold(leakPerSecond)
		log.Printf("leaked %d MiB so far", leaked)
	}
}

func hold(mib int) {
	for range mib {
		block, err := syscall.Mmap(-1, 0, mebibyte, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			log.Fatalf("FATAL: out of memory: %v", err)
		}
		for page := 0; page < mebibyte; page += os.Getpagesize() {
			block[page] = 1
		}
	}
}

// visit is the life of a customer of another shop. Each visit is a connection of its own, so that the pods behind a
// Service share them.
func visit(address string, perSecond int) {
	if address == "" || perSecond <= 0 {
		return
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	log.Printf("visiting %s %d times a second", address, perSecond)
	for range time.Tick(time.Second / time.Duration(perSecond)) {
		go func() {
			if answer, err := client.Get("http://" + address + "/"); err == nil {
				answer.Body.Close()
			}
		}()
	}
}

// compute spends this much CPU, however busy the machine is.
func compute(amount time.Duration) {
	if amount == 0 {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for end := used() + amount; used() < end; {
	}
}

func used() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(1 /* RUSAGE_THREAD */, &usage); err != nil {
		log.Fatalf("FATAL: %v", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func exitLater() {
	code, set := os.LookupEnv("SHOP_EXIT_CODE")
	if !set || !mayExit(number("SHOP_EXIT_TIMES"), os.Getenv("SHOP_STATE_DIR")) {
		return
	}
	time.Sleep(duration("SHOP_EXIT_AFTER", time.Second))
	log.Printf("FATAL: unrecoverable error, exiting with code %s", code)
	os.Exit(number("SHOP_EXIT_CODE"))
}

// mayExit counts the starts in a file on a volume that outlives the container, to crash only the first n times: the
// fault that heals itself.
func mayExit(times int, folder string) bool {
	if times == 0 || folder == "" {
		return true
	}
	path := filepath.Join(folder, "starts")
	text, _ := os.ReadFile(path) // the first start finds none
	starts, _ := strconv.Atoi(string(text))
	if err := os.WriteFile(path, []byte(strconv.Itoa(starts+1)), 0o600); err != nil {
		log.Fatalf("FATAL: cannot count starts: %v", err)
	}
	return starts < times
}

func serve() {
	var hanging atomic.Bool
	if after := duration("SHOP_HANG_AFTER", 0); after > 0 {
		time.AfterFunc(after, func() { hanging.Store(true); log.Print("hanging from now on") })
	}
	answer := func(healthy bool, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if hanging.Load() {
				select {} // alive as a process, dead as a service
			}
			if !healthy {
				http.Error(w, "unavailable", http.StatusServiceUnavailable)
				return
			}
			fmt.Fprintln(w, text)
		}
	}
	perRequest := duration("SHOP_CPU_PER_REQUEST", 0)
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		compute(perRequest)
		answer(true, "shop")(w, r)
	})
	http.HandleFunc("/healthz", answer(os.Getenv("SHOP_LIVE") != "false", "ok"))
	http.HandleFunc("/readyz", answer(os.Getenv("SHOP_READY") != "false", "ok"))
	port := os.Getenv("SHOP_PORT")
	if port == "" {
		port = "8080"
	}
	log.Printf("shop listens on :%s", port)
	log.Fatalf("FATAL: %v", http.ListenAndServe(":"+port, nil))
}

func number(name string) int {
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	value, err := strconv.Atoi(text)
	if err != nil {
		log.Fatalf("FATAL: %s: %q is not a whole number", name, text)
	}
	return value
}

func duration(name string, otherwise time.Duration) time.Duration {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	value, err := time.ParseDuration(text)
	if err != nil {
		log.Fatalf("FATAL: %s: %q is not a duration such as 30s", name, text)
	}
	return value
}

// An API server of Kubernetes, its etcd and its controllers of deployments in one process, for tests: everything is in the folder
// that is named, listens on loopback, and ends when standard input does. Once it serves, `kubeconfig` is there: its contexts are
// `admin`, who may do all, and `nobody`, who may do nothing.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

const tokens = "admin,admin,admin,system:masters\nnobody,nobody,nobody\n"

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: kube-apiserver FOLDER")
	}
	folder := os.Args[1]
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := run(folder); err != nil {
		log.Fatal(err)
	}
}

func run(folder string) error {
	etcd, err := startEtcd(filepath.Join(folder, "etcd"))
	if err != nil {
		return err
	}
	key, err := writeKey(folder)
	if err != nil {
		return err
	}
	tokenFile := filepath.Join(folder, "tokens")
	if err := os.WriteFile(tokenFile, []byte(tokens), 0o600); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	go announce(folder, port)
	command := app.NewAPIServerCommand()
	command.SetArgs([]string{
		"--etcd-servers=http://" + etcd,
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", port),
		"--cert-dir=" + filepath.Join(folder, "certificates"),
		"--token-auth-file=" + tokenFile,
		"--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://127.0.0.1",
		"--service-account-key-file=" + key,
		"--service-account-signing-key-file=" + key,
		// No controller makes accounts for pods here.
		"--disable-admission-plugins=ServiceAccount",
	})
	os.Exit(cli.Run(command))
	return nil
}

func startEtcd(folder string) (string, error) {
	config := embed.NewConfig()
	config.Dir = folder
	config.LogLevel = "error"
	anywhere := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	config.ListenClientUrls, config.ListenPeerUrls = anywhere, anywhere
	config.AdvertiseClientUrls, config.AdvertisePeerUrls = anywhere, anywhere
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	// What it keeps is worth no write to a disk.
	config.UnsafeNoFsync = true
	etcd, err := embed.StartEtcd(config)
	if err != nil {
		return "", err
	}
	<-etcd.Server.ReadyNotify()
	return etcd.Clients[0].Addr().String(), nil
}

// Writes the key that signs accounts' tokens, and says where.
func writeKey(folder string) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	bytes, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: bytes})
	path := filepath.Join(folder, "accounts.pem")
	return path, os.WriteFile(path, text, 0o600)
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Waits until the server is ready, and writes the file that says how it is asked.
func announce(folder string, port int) {
	server := fmt.Sprintf("https://127.0.0.1:%d", port)
	for !isReady(server) {
		time.Sleep(100 * time.Millisecond)
	}
	if err := startControllers(context.Background(), server); err != nil {
		log.Fatal(err)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- { name: test, cluster: { server: '%s', insecure-skip-tls-verify: true } }
users:
- { name: admin, user: { token: admin } }
- { name: nobody, user: { token: nobody } }
contexts:
- { name: admin, context: { cluster: test, user: admin } }
- { name: nobody, context: { cluster: test, user: nobody } }
current-context: admin
`, server)
	// Whole or not at all: who waits for it reads it at once.
	partial := filepath.Join(folder, "kubeconfig.partial")
	err := os.WriteFile(partial, []byte(text), 0o600)
	if err == nil {
		err = os.Rename(partial, filepath.Join(folder, "kubeconfig"))
	}
	if err != nil {
		log.Fatal(err)
	}
}

func isReady(server string) bool {
	// Its certificate is its own.
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/api/v1/namespaces/default", nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer admin")
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

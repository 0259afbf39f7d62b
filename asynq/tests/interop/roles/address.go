package roles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/hibiken/asynq"
)

// An Address says where Redis is and how it is reached.
type Address struct {
	// Kind is "single" (or nothing), "cluster" or "sentinel".
	Kind string `json:"kind"`
	// Addrs are the server's, the cluster's nodes' or the sentinels' host:port.
	Addrs []string `json:"addrs"`
	// Network is "unix" when the one address is the path of a socket.
	Network string `json:"network"`
	// Master is the name that the sentinels know.
	Master   string `json:"master"`
	Username string `json:"username"`
	Password string `json:"password"`
	DB       int    `json:"db"`
	// Certificates is a file of certificates to trust; with it the connection is TLS.
	Certificates string `json:"certificates"`
}

func (a Address) option() (asynq.RedisConnOpt, error) {
	if len(a.Addrs) == 0 {
		return nil, errors.New("no address of Redis")
	}
	trust, err := a.trust()
	if err != nil {
		return nil, err
	}
	switch a.Kind {
	case "", "single":
		return asynq.RedisClientOpt{
			Network: a.Network, Addr: a.Addrs[0], Username: a.Username, Password: a.Password, DB: a.DB, TLSConfig: trust,
		}, nil
	case "cluster":
		return asynq.RedisClusterClientOpt{
			Addrs: a.Addrs, Username: a.Username, Password: a.Password, TLSConfig: trust,
		}, nil
	case "sentinel":
		return asynq.RedisFailoverClientOpt{
			MasterName: a.Master, SentinelAddrs: a.Addrs, Username: a.Username, Password: a.Password, DB: a.DB,
			TLSConfig: trust,
		}, nil
	}
	return nil, fmt.Errorf("no kind of Redis is called %q", a.Kind)
}

func (a Address) trust() (*tls.Config, error) {
	if a.Certificates == "" {
		return nil, nil
	}
	text, err := os.ReadFile(a.Certificates)
	if err != nil {
		return nil, err
	}
	known := x509.NewCertPool()
	if !known.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("no certificate in %s", a.Certificates)
	}
	return &tls.Config{RootCAs: known, MinVersion: tls.VersionTLS12}, nil
}

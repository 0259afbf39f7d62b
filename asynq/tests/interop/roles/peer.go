// Package roles plays every part that asynq's own library can play on a Redis, as told in lines of JSON.
//
// Each line read is a request, an object with the name of the operation in "op" and its arguments beside it. Each is
// answered, in order, by one line: {"answer": ...} or {"error": "..."}. What happens meanwhile is told in lines that
// have an "event". Times are Unix milliseconds, null for never; durations are milliseconds; payloads are text.
package roles

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hibiken/asynq"
)

// An operation takes the arguments as read and gives what is answered.
type operation func(arguments map[string]json.RawMessage) (any, error)

// A Peer is a client, an inspector and, when asked to, a server and a scheduler.
type Peer struct {
	redis      asynq.RedisConnOpt
	client     *asynq.Client
	inspector  *asynq.Inspector
	operations map[string]operation

	writing sync.Mutex
	out     io.Writer
}

// New makes a peer on a Redis that tells what it does on out.
func New(address Address, out io.Writer) (*Peer, error) {
	redis, err := address.option()
	if err != nil {
		return nil, err
	}
	p := &Peer{redis: redis, out: out, operations: map[string]operation{}}
	p.open()
	add(p, "now", func(struct{}) (any, error) { return time.Now().UnixMilli(), nil })
	add(p, "fresh", p.fresh)
	p.addClient()
	p.addInspector()
	p.addServer()
	p.addScheduler()
	p.addMetrics()
	return p, nil
}

func (p *Peer) open() {
	p.client = asynq.NewClient(p.redis)
	p.inspector = asynq.NewInspector(p.redis)
}

// Close closes the connections of the client and the inspector.
func (p *Peer) Close() error {
	return errors.Join(p.client.Close(), p.inspector.Close())
}

// fresh begins anew as a restarted process does: a client remembers which queues it has published.
func (p *Peer) fresh(struct{}) (any, error) {
	err := p.Close()
	p.open()
	return nil, err
}

// add makes a function of typed arguments an operation. An argument nobody takes is an error.
func add[A any](p *Peer, name string, do func(A) (any, error)) {
	p.operations[name] = func(request map[string]json.RawMessage) (any, error) {
		text, err := json.Marshal(request)
		if err != nil {
			return nil, err
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		var arguments A
		if err := decoder.Decode(&arguments); err != nil {
			return nil, err
		}
		return do(arguments)
	}
}

// AddAdvance makes advance the operation that lets time pass.
func (p *Peer) AddAdvance(advance func(time.Duration)) {
	add(p, "advance", func(a struct {
		Ms int64 `json:"ms"`
	}) (any, error) {
		advance(milliseconds(a.Ms))
		return time.Now().UnixMilli(), nil
	})
}

// Serve answers the requests of in until its end.
func (p *Peer) Serve(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		answer, err := p.answer(lines.Bytes())
		if err != nil {
			p.tell(map[string]any{"error": err.Error()})
		} else {
			p.tell(map[string]any{"answer": answer})
		}
	}
	return lines.Err()
}

func (p *Peer) answer(line []byte) (any, error) {
	var request map[string]json.RawMessage
	if err := json.Unmarshal(line, &request); err != nil {
		return nil, err
	}
	var name string
	if err := json.Unmarshal(request["op"], &name); err != nil {
		return nil, fmt.Errorf("the name of the operation: %w", err)
	}
	do, known := p.operations[name]
	if !known {
		return nil, fmt.Errorf("no operation is called %q", name)
	}
	delete(request, "op")
	return do(request)
}

// tell writes one line. Whoever started the peer and is gone cannot be told anything.
func (p *Peer) tell(what any) {
	line, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	p.writing.Lock()
	defer p.writing.Unlock()
	_, _ = p.out.Write(append(line, '\n'))
}

func milliseconds(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// unixMilli is a time as told: null when it is none.
func unixMilli(at time.Time) *int64 {
	if at.IsZero() {
		return nil
	}
	ms := at.UnixMilli()
	return &ms
}

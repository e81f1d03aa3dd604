// Command ferretdb serves the MongoDB protocol from SQLite files, for tests.
//
// FerretDB's own command needs a generated version file that its Go module lacks; its embeddable
// package does not. FerretDB 1 also loses updates to one document that arrive at the same time, which
// MongoDB never does: commands therefore pass one at a time. Those by which a driver asks whether the
// server is there do not wait for others: it would take a server that is busy for one that is gone.
//
// The first line on standard output is the URL. SIGTERM ends it.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

const (
	headerSize  = 16
	maxMessage  = 48_000_000
	opMsg       = 2013
	moreToCome  = 1 << 1 // in a request: no answer is expected
	flagsOffset = headerSize
	nameOffset  = flagsOffset + 4 + 1 + 4 + 1 // after the flags, a section's kind, its length, a value's type
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "TCP address")
	dir := flag.String("dir", ".", "directory of the databases")
	flag.Parse()

	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Handler:   "sqlite",
		SQLiteURL: "file:" + *dir + "/",
	})
	if err != nil {
		log.Fatal(err)
	}
	front, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() {
		behind, err := url.Parse(server.MongoDBURI())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("mongodb://%s/\n", front.Addr())
		accept(front, behind.Host)
	}()
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

// accept gives each client a connection of its own to the server behind.
func accept(front net.Listener, behind string) {
	var turn sync.Mutex
	for {
		client, err := front.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", behind)
			if err != nil {
				log.Print(err)
				return
			}
			defer server.Close()
			for relay(client, server, &turn) == nil {
			}
		}()
	}
}

// relay passes one command and its answer while it is its turn, or at once if it is a hello.
func relay(client, server net.Conn, turn *sync.Mutex) error {
	command, err := read(client)
	if err != nil {
		return err
	}
	if !isHello(command) {
		turn.Lock()
		defer turn.Unlock()
	}
	if _, err := server.Write(command); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(command[12:]) == opMsg &&
		binary.LittleEndian.Uint32(command[flagsOffset:])&moreToCome != 0 {
		return nil
	}
	answer, err := read(server)
	if err != nil {
		return err
	}
	_, err = client.Write(answer)
	return err
}

// isHello tells whether a message is a driver's question whether the server is there.
func isHello(message []byte) bool {
	if binary.LittleEndian.Uint32(message[12:]) != opMsg {
		return true // what came before OP_MSG is used for nothing else
	}
	for _, name := range []string{"hello\x00", "ismaster\x00", "isMaster\x00"} {
		if bytes.HasPrefix(message[min(nameOffset, len(message)):], []byte(name)) {
			return true
		}
	}
	return false
}

// read returns one whole message of the wire protocol.
func read(from io.Reader) ([]byte, error) {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(header)
	if size < headerSize+4 || size > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes", size)
	}
	message := make([]byte, size)
	copy(message, header)
	_, err := io.ReadFull(from, message[headerSize:])
	return message, err
}

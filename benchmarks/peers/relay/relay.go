// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

// A relay as one writes it in Go: io.Copy both ways for each connection.
//
//	relay PORT TO
//
// listens on 127.0.0.1:PORT and dials 127.0.0.1:TO.
package main

import (
	"io"
	"log"
	"net"
	"os"
)

// carry copies what `from` sends, and its end.
func carry(to, from *net.TCPConn, done chan<- struct{}) {
	io.Copy(to, from)
	to.CloseWrite()
	done <- struct{}{}
}

func relay(a *net.TCPConn, address string) {
	defer a.Close()
	b, err := net.Dial("tcp", address)
	if err != nil {
		a.SetLinger(0)
		return
	}
	defer b.Close()
	done := make(chan struct{}, 2)
	go carry(b.(*net.TCPConn), a, done)
	go carry(a, b.(*net.TCPConn), done)
	<-done
	<-done
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go relay(connection.(*net.TCPConn), "127.0.0.1:"+os.Args[2])
	}
}

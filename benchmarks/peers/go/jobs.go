// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

// What Go does at our jobs, as functions for C++ (see ../go.cc). Each runs a
// whole number of messages, so that the call from C++ does not count.
package main

import "C"

import (
	"io"
	"net"
	"os"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// apart runs a function on a goroutine of its own. The one that C++ calls is
// bound to its thread, so that a switch to another one would be one of threads.
func apart(run func()) {
	done := make(chan struct{})
	go func() {
		run()
		close(done)
	}()
	<-done
}

// send writes messages of one size.
func send(out io.Writer, messages, size int) {
	message := make([]byte, size)
	for i := 0; i < messages; i++ {
		_, err := out.Write(message)
		must(err)
	}
}

//export GoStream
func GoStream(messages, size int) { apart(func() { stream(messages, size) }) }

func stream(messages, size int) {
	from, to := net.Pipe()
	done := make(chan struct{})
	go func() {
		buffer := make([]byte, 64<<10)
		for {
			if _, err := to.Read(buffer); err != nil {
				close(done)
				return
			}
		}
	}()
	send(from, messages, size)
	must(from.Close())
	<-done
}

//export GoPingPong
func GoPingPong(messages, size int) { apart(func() { pingPong(messages, size) }) }

func pingPong(messages, size int) {
	from, to := net.Pipe()
	go func() {
		buffer := make([]byte, size)
		for {
			if _, err := io.ReadFull(to, buffer); err != nil {
				return
			}
			_, err := to.Write(buffer)
			must(err)
		}
	}()
	message := make([]byte, size)
	for i := 0; i < messages; i++ {
		_, err := from.Write(message)
		must(err)
		_, err = io.ReadFull(from, message)
		must(err)
	}
	must(from.Close())
}

// end returns what Go programs use for such a descriptor, and owns it.
func end(fd int, isSocket bool) io.ReadWriteCloser {
	file := os.NewFile(uintptr(fd), "end")
	if !isSocket {
		return file
	}
	conn, err := net.FileConn(file)
	must(err)
	must(file.Close())
	return conn
}

//export GoCopy
func GoCopy(source, sink int, fromSocket, toSocket bool) int64 {
	var copied int64
	apart(func() {
		in, out := end(source, fromSocket), end(sink, toSocket)
		n, err := io.Copy(out, in)
		must(err)
		must(out.Close())
		must(in.Close())
		copied = n
	})
	return copied
}

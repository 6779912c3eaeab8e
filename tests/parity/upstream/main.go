// Command upstream answers placement questions with kube-scheduler's own default plugins.
//
// One question a line on standard input, one answer a line on standard output, in the format of docs/decide.md. A
// question that cannot be read, or that makes upstream panic, is answered with a fault; the next one is answered all
// the same.
//
// With the argument "time" it tells how long kube-scheduler's own cycles take instead: see timing.go. With "validate" a
// question is the text of a configuration file, as a JSON string, and the answer what kube-scheduler would run with. With
// "hint" a question has something that happens, too, and the answer says whether that wakes the pod: see hints.go.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"

	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

func main() {
	if slices.Contains(os.Args, "--version") { // by which a build is checked
		fmt.Println("kube-scheduler's plugins v1.37.2")
		return
	}
	klog.LogToStderr(false) // upstream logs what hostile questions break; the answers say it
	klog.SetOutput(io.Discard)
	metrics.Register()
	work := serve(func(line []byte) any { return answer(line) })
	if slices.Contains(os.Args, "time") {
		work = serveTrial
	}
	if slices.Contains(os.Args, "hint") {
		work = serve(hint)
	}
	if slices.Contains(os.Args, "validate") {
		work = serve(validate)
	}
	if err := work(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve flushes after each answer, for whoever asks may wait for it before the next question.
func serve(reply func([]byte) any) func(io.Reader, io.Writer) error {
	return func(in io.Reader, out io.Writer) error {
		reader, writer := bufio.NewReaderSize(in, 1<<20), bufio.NewWriter(out)
		encoder := json.NewEncoder(writer)
		encoder.SetEscapeHTML(false)
		for {
			line, err := reader.ReadBytes('\n')
			if len(bytes.TrimSpace(line)) > 0 {
				if failed := encoder.Encode(reply(line)); failed != nil {
					return failed
				}
				if failed := writer.Flush(); failed != nil {
					return failed
				}
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}
}

func answer(line []byte) (told *Answer) {
	var asked Question
	defer func() {
		if defect := recover(); defect != nil {
			told = &Answer{ID: asked.ID, Fault: fmt.Sprintf("panic: %v", defect)}
			debug.PrintStack()
		}
	}()
	if err := asked.read(line); err != nil {
		return &Answer{ID: asked.ID, Fault: err.Error()}
	}
	told, err := decide(&asked)
	if err != nil {
		told = &Answer{Fault: err.Error()}
	}
	told.ID = asked.ID
	return told
}

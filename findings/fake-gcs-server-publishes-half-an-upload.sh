#!/usr/bin/env bash
# Asking fake-gcs-server how much of an upload has arrived ends the upload, and half a file is the object.
#
# One would guess: a PUT with "Content-Range: bytes */10" and no body asks for the state of a resumable upload. As at Google, the answer is
#   a 308 with the Range that has arrived, and the upload goes on.
# What happens: the answer is a 200 with the object. It holds what had arrived, 5 of 10 bytes here, and replaces the object of this name. The
#   session is gone, so the next chunk is a 404. An ordinary chunk gets the right 308.
# Version: fake-gcs-server 1.56.1, Go 1.26, 2026-11-28.
# Why it matters for batch files: a client asks this after each broken connection. With the emulator, a test of an upload that is resumed
#   ends "well" with a request file that is cut in the middle, and the same client is right at Google.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/fsouza/fake-gcs-server/fakestorage"
)

func main() {
	server, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http", Host: "127.0.0.1", Port: 0})
	if err != nil {
		panic(err)
	}
	defer server.Stop()
	server.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "batches"})
	ask := func(method, url, body, contentRange string) (*http.Response, string) {
		request, _ := http.NewRequest(method, url, strings.NewReader(body))
		if contentRange != "" {
			request.Header.Set("Content-Range", contentRange)
		}
		answer, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			panic(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer, string(text)
	}
	upload := server.URL() + "/upload/storage/v1/b/batches/o?name=requests.jsonl&uploadType="
	object := server.URL() + "/storage/v1/b/batches/o/requests.jsonl?alt=media"
	ask("POST", upload+"media", "the file of yesterday\n", "")
	begun, _ := ask("POST", upload+"resumable", "{}", "")
	session := begun.Header.Get("Location")
	first, _ := ask("PUT", session, "1111\n", "bytes 0-4/10")
	_, before := ask("GET", object, "", "")
	state, _ := ask("PUT", session, "", "bytes */10")
	_, after := ask("GET", object, "", "")
	rest, _ := ask("PUT", session, "2222\n", "bytes 5-9/10")
	fmt.Printf("the first half: %d, Range %q, the object is %q\n", first.StatusCode, first.Header.Get("Range"), before)
	fmt.Printf("the question:   %d, Range %q, the object is %q\n", state.StatusCode, state.Header.Get("Range"), after)
	fmt.Printf("the other half: %d\n", rest.StatusCode)
	if first.StatusCode != 308 || before != "the file of yesterday\n" || state.StatusCode != 200 || after != "1111\n" || rest.StatusCode != 404 {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get github.com/fsouza/fake-gcs-server@v1.56.1 2>/dev/null
go mod tidy 2>/dev/null
go run .

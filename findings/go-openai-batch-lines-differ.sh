#!/usr/bin/env bash
# go-openai writes other requests into a batch file than it sends: extra parameters stay in a key "extra_body". Temperature 0 is in neither.
#
# One would guess: UploadBatchFileRequest.AddEmbedding(id, request) makes the line whose body CreateEmbeddings(request) sends; a
#   temperature that is set to 0 is 0.
# What happens: a live call merges ExtraBody into the body, and the batch line has the key "extra_body" with the parameters inside. The
#   types of the chat request are plain numbers with omitempty, so Temperature: 0 and TopP: 0 are left out; Seed is a
#   pointer and stays.
# Version: go-openai 1.43.0, Go 1.26, 2026-11-28.
# Why it matters for batch files: OpenAI refuses an unknown parameter, after the upload. A lenient server (vLLM, a gateway) ignores it, and
#   embeds queries as documents. Without a temperature the service uses its default, 1: a batch that should repeat its answers varies.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GOPATH="$work/go" GOFLAGS=-modcacherw
cat > main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/sashabaranov/go-openai"
)

func main() {
	var sent string
	service := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		sent = strings.TrimSpace(string(body))
		answer.Header().Set("Content-Type", "application/json")
		fmt.Fprint(answer, `{"object":"list","data":[],"model":"m","usage":{}}`)
	}))
	defer service.Close()
	configuration := openai.DefaultConfig("none")
	configuration.BaseURL = service.URL
	embedding := openai.EmbeddingRequest{Model: "m", Input: "canal", ExtraBody: map[string]any{"input_type": "query"}}
	if _, err := openai.NewClientWithConfig(configuration).CreateEmbeddings(context.Background(), embedding); err != nil {
		panic(err)
	}
	seed := 0
	var file openai.UploadBatchFileRequest
	file.AddEmbedding("a", embedding)
	file.AddChatCompletion("b", openai.ChatCompletionRequest{Model: "m", Temperature: 0, TopP: 0, LogProbs: false, Seed: &seed})
	lines := strings.Split(string(file.MarshalJSONL()), "\n")
	fmt.Println("live: ", sent)
	fmt.Println("batch:", lines[0])
	fmt.Println("temperature 0, top_p 0, seed 0:", lines[1])
	same := strings.Contains(sent, `"input_type":"query"`) && !strings.Contains(sent, "extra_body") &&
		strings.Contains(lines[0], `"extra_body":{"input_type":"query"}`) &&
		strings.Contains(lines[1], `"seed":0`) && !strings.Contains(lines[1], "temperature") && !strings.Contains(lines[1], "top_p")
	if !same {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get github.com/sashabaranov/go-openai@v1.43.0 2>/dev/null
go run .

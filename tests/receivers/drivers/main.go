// Run Verify over messages: JSON in, verdicts out.
package main

import (
	"encoding/json"
	"os"

	"receiver/nameplate"
)

type headers map[string]string

func (h headers) Get(name string) string { return h[name] }

func main() {
	var messages []struct {
		Body    []byte
		Headers headers
		Key     string
	}
	if err := json.NewDecoder(os.Stdin).Decode(&messages); err != nil {
		panic(err)
	}
	verdicts := make([]*string, len(messages))
	for i, message := range messages {
		if event, err := nameplate.Verify(message.Body, message.Headers, message.Key); err == nil {
			verdicts[i] = &event.Type
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(verdicts); err != nil {
		panic(err)
	}
}

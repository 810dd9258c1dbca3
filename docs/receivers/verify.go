// Package nameplate verifies Nameplate's webhooks. It needs nothing but the standard library.
package nameplate

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const tolerance = 5 * time.Minute

// At least 24 bytes in base64. A key of another form must verify nothing.
var keys = regexp.MustCompile(`^(whsec|whpk)_([A-Za-z0-9+/]{32,}={0,2})$`)

// Event is what every webhook has. Data holds the subject, such as "custom_hostname".
type Event struct {
	Type      string                     `json:"type"`
	Timestamp time.Time                  `json:"timestamp"`
	Data      map[string]json.RawMessage `json:"data"`
}

// Headers is what an http.Header is, such as request.Header.
type Headers interface{ Get(name string) string }

// Verify returns the event, or an error if somebody else sent it or the key is malformed. The body
// is the bytes that arrived, and the key is the endpoint's secret (whsec_...) or public key
// (whpk_...).
func Verify(body []byte, headers Headers, key string) (*Event, error) {
	parts := keys.FindStringSubmatch(key)
	if parts == nil {
		return nil, errors.New("the key must be whsec_... or whpk_...")
	}
	bytes, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	id, timestamp := headers.Get("webhook-id"), headers.Get("webhook-timestamp")
	signatures := headers.Get("webhook-signature")
	if id == "" || timestamp == "" || signatures == "" {
		return nil, errors.New("a header is missing")
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return nil, errors.New("the timestamp is no number")
	}
	age := time.Since(time.Unix(seconds, 0))
	if age > tolerance || age < -tolerance {
		return nil, errors.New("too old")
	}
	signed := append([]byte(id+"."+timestamp+"."), body...)
	for _, signature := range strings.Split(signatures, " ") {
		version, value, _ := strings.Cut(signature, ",")
		given, err := base64.StdEncoding.DecodeString(value)
		if err == nil && fits(version, given, signed, parts[1], bytes) {
			return parse(body)
		}
	}
	return nil, errors.New("no signature fits")
}

func parse(body []byte) (*Event, error) {
	var event Event
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, err
	}
	return &event, nil
}

func fits(version string, signature, signed []byte, kind string, key []byte) bool {
	if kind == "whpk" {
		return version == "v1a" && len(key) == ed25519.PublicKeySize &&
			ed25519.Verify(ed25519.PublicKey(key), signed, signature)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(signed)
	return version == "v1" && hmac.Equal(mac.Sum(nil), signature)
}

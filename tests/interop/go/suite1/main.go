// Command suite1 does what suite 1 does with Go's own cryptography (crypto/hpke,
// crypto/mldsa, crypto/hkdf, AES-GCM), which shares nothing with ours. It reads
// one JSON array of questions and writes one of answers; bytes are base64.
package main

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/mldsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
)

type question struct {
	Do        string
	Seed      []byte
	Public    []byte
	Info      []byte
	Plaintext []byte
	Sealed    []byte
	Message   []byte
	Signature []byte

	// an envelope, its wrap, and the ciphertext of its part 0
	Envelope  []byte
	Network   []byte
	MessageID []byte
	Recipient string
	Wrap      []byte
	Body      []byte
}

type answer struct {
	Error string
	Bytes []byte
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		log.Fatal(err)
	}
	answers := make([]answer, len(questions))
	for i, q := range questions {
		bytes, err := q.answer()
		answers[i].Bytes = bytes
		if err != nil {
			answers[i].Error = err.Error()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}

func (q *question) answer() ([]byte, error) {
	switch q.Do {
	case "prekey":
		key, err := prekey(q.Seed)
		if err != nil {
			return nil, err
		}
		return key.PublicKey().Bytes(), nil
	case "seal":
		return seal(q.Public, q.Info, q.Plaintext)
	case "open":
		return open(q.Seed, q.Info, q.Sealed)
	case "wrap":
		return seal(q.Public, q.wrapInfo(q.Public), q.Plaintext)
	case "read":
		return q.read()
	case "mldsa public":
		key, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), q.Seed)
		if err != nil {
			return nil, err
		}
		return key.PublicKey().Bytes(), nil
	case "mldsa sign":
		key, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), q.Seed)
		if err != nil {
			return nil, err
		}
		return key.Sign(nil, q.Message, crypto.Hash(0))
	case "mldsa verify":
		key, err := mldsa.NewPublicKey(mldsa.MLDSA44(), q.Public)
		if err != nil {
			return nil, err
		}
		return nil, mldsa.Verify(key, q.Message, q.Signature, nil)
	}
	return nil, fmt.Errorf("no such question: %q", q.Do)
}

func prekey(seed []byte) (hpke.PrivateKey, error) {
	return hpke.MLKEM768X25519().NewPrivateKey(seed)
}

func seal(public, info, plaintext []byte) ([]byte, error) {
	key, err := hpke.MLKEM768X25519().NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	return hpke.Seal(key, hpke.HKDFSHA512(), hpke.AES256GCM(), info, plaintext)
}

func open(seed, info, sealed []byte) ([]byte, error) {
	key, err := prekey(seed)
	if err != nil {
		return nil, err
	}
	return hpke.Open(key, hpke.HKDFSHA512(), hpke.AES256GCM(), info, sealed)
}

// wrapInfo is ["rogatory/wrap/v1", SHA-512(envelope), recipient, prekey id].
func (q *question) wrapInfo(public []byte) []byte {
	digest, id := sha512.Sum512(q.Envelope), sha256.Sum256(public)
	return array(text("rogatory/wrap/v1"), data(digest[:]), text(q.Recipient), data(id[:]))
}

// read opens the wrap of an envelope and with it part 0, and takes off the padding.
func (q *question) read() ([]byte, error) {
	key, err := prekey(q.Seed)
	if err != nil {
		return nil, err
	}
	secret, err := open(q.Seed, q.wrapInfo(key.PublicKey().Bytes()), q.Wrap)
	if err != nil {
		return nil, err
	}
	if len(secret) != 96 {
		return nil, errors.New("not CEK and r")
	}
	context := array(text("rogatory/part/v1"), data(q.Network), data(q.MessageID), []byte{0})
	padded, err := cobblestone256(secret[:32], context, q.Body)
	if err != nil {
		return nil, err
	}
	if len(padded) < 8 || uint64(len(padded)-8) < binary.BigEndian.Uint64(padded) {
		return nil, errors.New("padding")
	}
	return padded[8 : 8+binary.BigEndian.Uint64(padded)], nil
}

// cobblestone256 decrypts c2sp.org/chunked-encryption with SHA-512 and AES-256-GCM.
func cobblestone256(key, context, sealed []byte) ([]byte, error) {
	const chunk = 16*1024 + 16
	if len(sealed) < 24+32+16 || (len(sealed)-56)%chunk < 16 {
		return nil, errors.New("cut short")
	}
	info := "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00" + string(sealed[:24]) + string(context)
	keys, err := hkdf.Expand(sha512.New, key, info, 32+12+32)
	if err != nil {
		return nil, err
	}
	if string(keys[44:]) != string(sealed[24:56]) {
		return nil, errors.New("commitment")
	}
	block, err := aes.NewCipher(keys[:32])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	var plaintext []byte
	for i, rest := uint32(0), sealed[56:]; len(rest) > 0; i++ {
		piece := rest[:min(chunk, len(rest))]
		rest = rest[len(piece):]
		nonce := append([]byte(nil), keys[32:44]...)
		binary.BigEndian.PutUint32(nonce[8:], binary.BigEndian.Uint32(nonce[8:])^i)
		if plaintext, err = aead.Open(plaintext, nonce, piece, nil); err != nil {
			return nil, err
		}
	}
	return plaintext, nil
}

// The little CBOR that wraps need: arrays, texts and byte strings shorter than 256 bytes.

func array(items ...[]byte) []byte {
	out := []byte{0x80 | byte(len(items))}
	for _, item := range items {
		out = append(out, item...)
	}
	return out
}

func text(s string) []byte { return append(head(0x60, len(s)), s...) }

func data(b []byte) []byte { return append(head(0x40, len(b)), b...) }

func head(major byte, length int) []byte {
	if length < 24 {
		return []byte{major | byte(length)}
	}
	return []byte{major | 24, byte(length)}
}

// Command sumdb answers questions about notes and Merkle trees with the code
// of the Go checksum database (golang.org/x/mod/sumdb), which shares nothing
// with ours. It reads one JSON array of questions and writes one of answers.
package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type question struct {
	Do    string
	Note  []byte
	Text  string
	Name  string
	Seed  []byte
	Vkeys []string

	// the tree has one leaf per entry
	Entries [][]byte
	Index   int64
	Size    int64
	Old     int64
	Entry   []byte
	Path    []tlog.Hash
	Root    tlog.Hash
	OldRoot tlog.Hash
}

type answer struct {
	Error string
	Names []string
	Note  []byte
	Vkey  string
	Root  []byte
	Path  [][]byte
	Tiles []string
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		log.Fatal(err)
	}
	answers := make([]answer, len(questions))
	for i := range questions {
		if err := questions[i].answer(&answers[i]); err != nil {
			answers[i].Error = err.Error()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}

func (q *question) answer(a *answer) error {
	switch q.Do {
	case "open":
		return q.open(a)
	case "sign":
		return q.sign(a)
	case "inclusion":
		return tlog.CheckRecord(q.Path, q.Size, q.Root, q.Index, tlog.RecordHash(q.Entry))
	case "consistency":
		return tlog.CheckTree(q.Path, q.Size, q.Root, q.Old, q.OldRoot)
	case "prove":
		return q.prove(a)
	case "tiles":
		// their paths name the height, as tile/8/<L>/<N>
		for _, tile := range tlog.NewTiles(8, q.Old, q.Size) {
			a.Tiles = append(a.Tiles, tile.Path())
		}
		return nil
	}
	return fmt.Errorf("nothing is known about %q", q.Do)
}

// open verifies a note and names the keys whose lines were good.
func (q *question) open(a *answer) error {
	var verifiers []note.Verifier
	for _, vkey := range q.Vkeys {
		verifier, err := note.NewVerifier(vkey)
		if err != nil {
			return err
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open(q.Note, note.VerifierList(verifiers...))
	if err != nil {
		return err
	}
	for _, signature := range opened.Sigs {
		a.Names = append(a.Names, signature.Name)
	}
	return nil
}

// sign signs a text with the key made from a seed.
func (q *question) sign(a *answer) error {
	public := ed25519.NewKeyFromSeed(q.Seed).Public().(ed25519.PublicKey)
	vkey, err := note.NewEd25519VerifierKey(q.Name, public)
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	secret := base64.StdEncoding.EncodeToString(append([]byte{1}, q.Seed...))
	signer, err := note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", q.Name, verifier.KeyHash(), secret))
	if err != nil {
		return err
	}
	a.Vkey = vkey
	a.Note, err = note.Sign(&note.Note{Text: q.Text}, signer)
	return err
}

// prove gives the root of the first Size entries, and the path of entry Index
// in that tree or, when Old is not zero, the path from the tree of Old entries.
func (q *question) prove(a *answer) error {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for i, entry := range q.Entries {
		hashes, err := tlog.StoredHashes(int64(i), entry, reader)
		if err != nil {
			return err
		}
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(q.Size, reader)
	if err != nil {
		return err
	}
	a.Root = root[:]
	var path []tlog.Hash
	if q.Old != 0 {
		path, err = tlog.ProveTree(q.Size, q.Old, reader)
	} else {
		path, err = tlog.ProveRecord(q.Size, q.Index, reader)
	}
	for _, hash := range path {
		a.Path = append(a.Path, hash[:])
	}
	return err
}

package event

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// ContentType is the media type of what [MarshalNotice] returns (CloudEvents JSON Event Format 1.0).
const ContentType = "application/cloudevents+json"

const (
	specVersion  = "1.0"
	sourcePrefix = "/repositories/"
	// streamSource is the source of notices that are about the stream itself.
	streamSource = "/events"
)

// envelope is a CloudEvent (version 1.0.2), with the extension attribute cursor.
type envelope struct {
	SpecVersion     string     `json:"specversion"`
	ID              string     `json:"id,omitempty"`
	Source          string     `json:"source"`
	Type            Type       `json:"type"`
	Subject         string     `json:"subject,omitempty"`
	Time            *time.Time `json:"time,omitempty"`
	DataContentType string     `json:"datacontenttype,omitempty"`
	Cursor          string     `json:"cursor,omitempty"`
	Data            any        `json:"data,omitempty"`
}

type refUpdatedData struct {
	Change  string `json:"change"`
	RefKind string `json:"ref_kind"`
	// RefBase64 is the ref where it is not UTF-8 and so not whole in the subject.
	RefBase64   []byte           `json:"ref_base64,omitempty"`
	Old         string           `json:"old_oid"`
	New         string           `json:"new_oid"`
	Commit      string           `json:"commit_id"`
	Forced      bool             `json:"forced"`
	Release     *releaseData     `json:"release,omitempty"`
	Transaction *transactionData `json:"transaction,omitempty"`
	RequestID   string           `json:"request_id,omitempty"`
	Synthetic   bool             `json:"synthetic"`
}

type releaseData struct {
	Version    string `json:"version"`
	Prerelease bool   `json:"prerelease"`
}

type transactionData struct {
	ID    string `json:"id"`
	Index int    `json:"index"`
	Count int    `json:"count"`
}

type repositoryCreatedData struct {
	CreatedAt time.Time `json:"created_at"`
	Synthetic bool      `json:"synthetic"`
}

type repositoryDeletedData struct {
	Synthetic bool `json:"synthetic"`
}

type resyncData struct {
	Repositories []repositoryRefsData `json:"repositories"`
	Last         bool                 `json:"last"`
}

type repositoryRefsData struct {
	Repository string    `json:"repository"`
	Refs       []refData `json:"refs"`
	Unreadable bool      `json:"unreadable,omitempty"`
}

type refData struct {
	Ref       string `json:"ref"`
	RefBase64 []byte `json:"ref_base64,omitempty"`
	ID        string `json:"oid"`
	Commit    string `json:"commit_id"`
}

// MarshalNotice returns a notice as a CloudEvent in JSON. An entry without a cursor has no id either.
func MarshalNotice(n Notice) ([]byte, error) {
	env := envelope{SpecVersion: specVersion, Source: streamSource, Cursor: n.At().String(), ID: n.At().String()}
	switch n := n.(type) {
	case Entry:
		env.seal(n.Event)
	case Heartbeat:
		env.Type, env.ID = TypeHeartbeat, "heartbeat-"+env.Cursor
	case Resync:
		env.Type, env.ID = TypeResyncRequired, "resync-"+env.Cursor
		env.Data = encodeResync(n)
	default:
		return nil, fmt.Errorf("%T is no notice", n)
	}
	if env.Data != nil {
		env.DataContentType = "application/json"
	}
	return json.Marshal(env)
}

// seal puts an event into the envelope.
func (env *envelope) seal(e Event) {
	at := e.Time().UTC()
	env.Time, env.Type, env.Source = &at, e.Type(), sourcePrefix+e.Repository().String()
	switch e := e.(type) {
	case RefUpdated:
		env.Subject = strings.ToValidUTF8(e.Ref.String(), "\uFFFD")
		env.Data = encodeRefUpdated(e)
	case RepositoryCreated:
		env.Data = repositoryCreatedData{e.CreatedAt.UTC(), e.Synthetic}
	case RepositoryDeleted:
		env.Data = repositoryDeletedData{e.Synthetic}
	}
}

func encodeRefUpdated(e RefUpdated) refUpdatedData {
	data := refUpdatedData{
		Change: e.Change().String(), RefKind: "tag", RefBase64: exact(e.Ref),
		Old: e.Old.String(), New: e.New.String(), Commit: e.Commit.String(),
		Forced: e.Forced, RequestID: e.RequestID, Synthetic: e.Synthetic,
	}
	if e.Ref.IsBranch() {
		data.RefKind = "branch"
	}
	if e.Release.Version != "" {
		data.Release = &releaseData{e.Release.Version, e.Release.Prerelease}
	}
	if e.Transaction.Count > 0 {
		data.Transaction = &transactionData{e.Transaction.ID, e.Transaction.Index, e.Transaction.Count}
	}
	return data
}

// exact returns the name's bytes if JSON cannot hold them as text.
func exact(name git.RefName) []byte {
	if utf8.ValidString(name.String()) {
		return nil
	}
	return []byte(name.String())
}

func encodeResync(r Resync) resyncData {
	data := resyncData{Repositories: make([]repositoryRefsData, len(r.Repositories)), Last: r.Last()}
	for i, repo := range r.Repositories {
		refs := make([]refData, len(repo.Refs))
		for j, ref := range repo.Refs {
			refs[j] = refData{
				Ref: strings.ToValidUTF8(ref.Name.String(), "\uFFFD"), RefBase64: exact(ref.Name),
				ID: ref.Target.String(), Commit: ref.Peeled.String(),
			}
		}
		data.Repositories[i] = repositoryRefsData{repo.ID.String(), refs, repo.Unreadable}
	}
	return data
}

// UnmarshalNotice reads what [MarshalNotice] wrote. It returns nil without an error for a CloudEvent of a type that it
// does not know, which a receiver ignores, and fails with INVALID_ARGUMENT for what is no CloudEvent of ours. Of the refs
// of a resync it knows the targets and the commits, not their types.
func UnmarshalNotice(b []byte) (Notice, error) {
	var data json.RawMessage
	env := envelope{Data: &data}
	if err := json.Unmarshal(b, &env); err != nil {
		return nil, malformed(err)
	}
	if env.SpecVersion != specVersion || env.Source == "" || env.Type == "" {
		return nil, malformed(fmt.Errorf("specversion %.20q, source %.80q, type %.80q", env.SpecVersion, env.Source, env.Type))
	}
	at, err := ParseCursor(env.Cursor)
	if err != nil {
		return nil, malformed(err)
	}
	switch env.Type {
	case TypeHeartbeat:
		return Heartbeat{at}, nil
	case TypeResyncRequired:
		return decodeResync(at, data)
	}
	e, err := env.open(data)
	if e == nil || err != nil {
		return nil, err
	}
	return Entry{at, e}, nil
}

func malformed(cause error) error {
	return errs.Wrap(cause, errs.ReasonInvalidArgument, "the message is no event of GitStore")
}

// open takes the event out of the envelope; nil if its type is unknown.
func (env *envelope) open(data json.RawMessage) (Event, error) {
	id, err := git.ParseRepositoryID(strings.TrimPrefix(env.Source, sourcePrefix))
	if err != nil {
		return nil, malformed(err)
	}
	h := Header{ID: id}
	if env.Time != nil {
		h.At = *env.Time
	}
	switch env.Type {
	case TypeRefUpdated:
		return decodeRefUpdated(h, env.Subject, data)
	case TypeRepositoryCreated:
		d, err := decodeData[repositoryCreatedData](data)
		h.Synthetic = d.Synthetic
		return RepositoryCreated{h, d.CreatedAt}, err
	case TypeRepositoryDeleted:
		d, err := decodeData[repositoryDeletedData](data)
		h.Synthetic = d.Synthetic
		return RepositoryDeleted{h}, err
	}
	return nil, nil //nolint:nilnil // a type that is not known is no error
}

func decodeData[T any](data json.RawMessage) (T, error) {
	var d T
	if err := json.Unmarshal(data, &d); err != nil {
		return d, malformed(err)
	}
	return d, nil
}

func decodeRefUpdated(h Header, subject string, data json.RawMessage) (Event, error) {
	d, err := decodeData[refUpdatedData](data)
	if err != nil {
		return nil, err
	}
	h.Synthetic = d.Synthetic
	e := RefUpdated{Header: h, Forced: d.Forced, RequestID: d.RequestID}
	if e.Ref, err = decodeRefName(subject, d.RefBase64); err != nil {
		return nil, err
	}
	if err := decodeIDs(map[*git.ObjectID]string{&e.Old: d.Old, &e.New: d.New, &e.Commit: d.Commit}); err != nil {
		return nil, err
	}
	if d.Release != nil {
		e.Release = Release{d.Release.Version, d.Release.Prerelease}
	}
	if d.Transaction != nil {
		e.Transaction = Transaction{d.Transaction.ID, d.Transaction.Index, d.Transaction.Count}
	}
	return e, nil
}

func decodeRefName(text string, exact []byte) (git.RefName, error) {
	if exact != nil {
		text = string(exact)
	}
	name, err := git.ParseRefName(text)
	if err != nil {
		return name, malformed(err)
	}
	return name, nil
}

// decodeIDs parses object IDs; an empty text is the zero one.
func decodeIDs(ids map[*git.ObjectID]string) error {
	for to, text := range ids {
		if text == "" {
			continue
		}
		id, err := git.ParseObjectID(text)
		if err != nil {
			return malformed(err)
		}
		*to = id
	}
	return nil
}

func decodeResync(at Cursor, data json.RawMessage) (Notice, error) {
	d, err := decodeData[resyncData](data)
	if err != nil {
		return nil, err
	}
	if d.Last == at.IsZero() {
		return nil, malformed(fmt.Errorf("last is %t with the cursor %q", d.Last, at))
	}
	r := Resync{Cursor: at}
	for _, repo := range d.Repositories {
		refs, err := decodeRefs(repo)
		if err != nil {
			return nil, err
		}
		r.Repositories = append(r.Repositories, refs)
	}
	return r, nil
}

func decodeRefs(d repositoryRefsData) (RepositoryRefs, error) {
	id, err := git.ParseRepositoryID(d.Repository)
	if err != nil {
		return RepositoryRefs{}, malformed(err)
	}
	repo := RepositoryRefs{ID: id, Unreadable: d.Unreadable}
	for _, r := range d.Refs {
		var ref git.Ref
		if ref.Name, err = decodeRefName(r.Ref, r.RefBase64); err != nil {
			return RepositoryRefs{}, err
		}
		if err := decodeIDs(map[*git.ObjectID]string{&ref.Target: r.ID, &ref.Peeled: r.Commit}); err != nil {
			return RepositoryRefs{}, err
		}
		repo.Refs = append(repo.Refs, ref)
	}
	return repo, nil
}

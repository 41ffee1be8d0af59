package git

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// FileMode is the mode of a tree entry. Git knows no others than these (git-fast-import(1), filemodify).
type FileMode uint32

// The modes, as git writes them in octal.
const (
	ModeRegular    FileMode = 0o100644
	ModeExecutable FileMode = 0o100755
	ModeSymlink    FileMode = 0o120000
	ModeDirectory  FileMode = 0o040000
	ModeSubmodule  FileMode = 0o160000
)

// IsFile reports whether an entry of the mode is a blob with contents: a regular or executable file, or a symbolic
// link, whose content is its target and is never followed.
func (m FileMode) IsFile() bool { return m != ModeDirectory && m != ModeSubmodule }

// String returns six octal digits, such as "100644".
func (m FileMode) String() string { return fmt.Sprintf("%06o", uint32(m)) }

// TreeEntry is one entry of a tree object.
type TreeEntry struct {
	// Name is one component; its bytes need not be UTF-8.
	Name string
	Mode FileMode
	// ID is a blob, a tree, or for a submodule a commit of another repository.
	ID ObjectID
}

// CompareEntries orders entries as a tree object holds them: by the bytes of their names, a directory's as if it ended
// in "/".
func CompareEntries(a, b TreeEntry) int {
	n := min(len(a.Name), len(b.Name))
	if c := strings.Compare(a.Name[:n], b.Name[:n]); c != 0 {
		return c
	}
	return cmp.Compare(a.sortByte(n), b.sortByte(n))
}

// sortByte is the byte at i of the name as it is sorted; 0 behind its end. Names hold no NUL.
func (e TreeEntry) sortByte(i int) byte {
	switch {
	case i < len(e.Name):
		return e.Name[i]
	case e.Mode == ModeDirectory:
		return '/'
	}
	return 0
}

// EncodeTree returns the content of a tree object. It sorts entries in place.
func EncodeTree(entries []TreeEntry) []byte {
	slices.SortFunc(entries, CompareEntries)
	size := 0
	for _, e := range entries {
		size += len("100644 ") + len(e.Name) + 1 + e.ID.format.Size()
	}
	b := make([]byte, 0, size)
	for _, e := range entries {
		b = strconv.AppendUint(b, uint64(e.Mode), 8)
		b = append(b, ' ')
		b = append(b, e.Name...)
		b = append(b, 0)
		b = e.ID.AppendTo(b)
	}
	return b
}

// MaxTreeEntries is the most entries of a directory that is written or pushed. A tree is read as a whole whatever is asked
// of it, so that a larger one would cost its readers, and a history of its versions, more than it is worth.
const MaxTreeEntries = 50_000

// CountEntries returns how many entries the content of a tree object has, without reading them. What is malformed counts as
// one.
func CountEntries(f ObjectFormat, content []byte) (n int) {
	for ; len(content) > 0; n++ {
		end := bytes.IndexByte(content, 0)
		if end < 0 {
			return n + 1
		}
		content = content[min(len(content), end+1+f.Size()):]
	}
	return n
}

// DecodeTree reads the content of a tree object, in its order. It fails with REPOSITORY_CORRUPT, also for a name that can
// be no component of a path.
func DecodeTree(f ObjectFormat, content []byte) ([]TreeEntry, error) {
	const modeAndName = 16 // a guess
	entries := make([]TreeEntry, 0, len(content)/(f.Size()+modeAndName))
	for rest := string(content); rest != ""; { // names are parts of one string: a tree may have a great many
		e, after, err := decodeTreeEntry(f, rest)
		if err != nil {
			return nil, errs.Wrap(err, errs.ReasonRepositoryCorrupt, "a tree object is malformed")
		}
		entries = append(entries, e)
		rest = after
	}
	return entries, nil
}

func decodeTreeEntry(f ObjectFormat, s string) (e TreeEntry, rest string, err error) {
	mode, rest, ok := strings.Cut(s, " ")
	if !ok {
		return TreeEntry{}, "", errors.New("entry without mode")
	}
	m, err := strconv.ParseUint(mode, 8, 32)
	if err != nil {
		return TreeEntry{}, "", fmt.Errorf("mode: %w", err)
	}
	name, rest, ok := strings.Cut(rest, "\x00")
	if !ok || len(rest) < f.Size() {
		return TreeEntry{}, "", errors.New("entry cut short")
	}
	if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
		return TreeEntry{}, "", fmt.Errorf("entry named %q", name)
	}
	id := ObjectID{format: f}
	if rest = rest[copy(id.raw[:f.Size()], rest):]; id.raw == (ObjectID{}).raw {
		return TreeEntry{}, "", errors.New("entry with the null id")
	}
	return TreeEntry{Name: name, Mode: canonicalMode(uint32(m)), ID: id}, rest, nil
}

// canonicalMode maps the modes of old trees, such as 100664, to those of today, as git does when it reads them.
func canonicalMode(m uint32) FileMode {
	switch m & 0o170000 {
	case 0o040000:
		return ModeDirectory
	case 0o120000:
		return ModeSymlink
	case 0o160000:
		return ModeSubmodule
	}
	if m&0o100 != 0 {
		return ModeExecutable
	}
	return ModeRegular
}

// Signature says who did something and when. The zero value is nobody.
type Signature struct {
	Name  string
	Email string
	// When has a resolution of one second; its zone is kept to the minute.
	When time.Time
}

// maxSignature bounds a name or an email, so that no header line grows without end.
const maxSignature = 512

// Validate reports whether Git can store s as it stands, as field of a request. It fails with INVALID_SIGNATURE.
func (s Signature) Validate(field string) error {
	rule := ""
	switch {
	case strings.TrimSpace(s.Name) == "":
		rule = "the name is empty"
	case strings.TrimSpace(s.Email) == "":
		rule = "the email is empty"
	case len(s.Name) > maxSignature || len(s.Email) > maxSignature:
		rule = "the name or email is longer than 512 bytes"
	case badIdentity(s.Name) || badIdentity(s.Email):
		rule = `the name or email is not UTF-8 or holds a control character, "<" or ">"`
	case s.When.Unix() < 0 || s.When.Year() > 9999:
		rule = "the time is before 1970 or after 9999"
	}
	if rule == "" {
		return nil
	}
	return errs.InvalidField(errs.ReasonInvalidSignature, field, "%s is invalid: %s", field, rule)
}

func badIdentity(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r == '<' || r == '>' || unicode.IsControl(r) })
}

// IsZero reports whether s is nobody: no name and no email. Its time may be set.
func (s Signature) IsZero() bool { return s.Name == "" && s.Email == "" }

func (s Signature) append(b []byte) []byte {
	b = append(b, strings.TrimSpace(s.Name)...)
	b = append(b, " <"...)
	b = append(b, strings.TrimSpace(s.Email)...)
	b = append(b, "> "...)
	b = strconv.AppendInt(b, s.When.Unix(), 10)
	return append(b, s.When.Format(" -0700")...)
}

// parseSignature takes what it can: old repositories hold signatures that today's git would not write.
func parseSignature(value string) Signature {
	line, _, _ := strings.Cut(value, "\n")
	name, rest, _ := strings.Cut(line, "<")
	email, date, _ := strings.Cut(rest, ">")
	s := Signature{Name: strings.TrimSpace(name), Email: strings.TrimSpace(email), When: time.Unix(0, 0).UTC()}
	stamp, zone, _ := strings.Cut(strings.TrimSpace(date), " ")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || seconds < 0 || seconds > maxTime {
		return s
	}
	s.When = time.Unix(seconds, 0).In(parseZone(zone))
	return s
}

// maxTime is the end of the year 9999, less the widest zone: RFC 3339 cannot say anything later.
const maxTime = 253402300799 - 24*60*60

func parseZone(zone string) *time.Location {
	n, err := strconv.Atoi(zone)
	if err != nil || n == 0 || n <= -2400 || n >= 2400 {
		return time.UTC
	}
	return time.FixedZone("", (n/100*60+n%100)*60)
}

// Header is an additional header of a commit or tag, such as gpgsig. Its value may have several lines.
type Header struct{ Key, Value string }

// Commit is a commit object. Message and the names are bytes: old commits need not be UTF-8.
type Commit struct {
	// ID is the commit's own; [Commit.Encode] does not use it.
	ID        ObjectID
	Tree      ObjectID
	Parents   []ObjectID
	Author    Signature
	Committer Signature
	// Headers follow the committer, in order.
	Headers []Header
	Message string
}

// Encode returns the content of the commit object.
func (c *Commit) Encode() []byte {
	b := fmt.Appendf(nil, "tree %s\n", c.Tree)
	for _, p := range c.Parents {
		b = fmt.Appendf(b, "parent %s\n", p)
	}
	b = append(c.Author.append(append(b, "author "...)), '\n')
	b = append(c.Committer.append(append(b, "committer "...)), '\n')
	return appendHeaders(b, c.Headers, c.Message)
}

func appendHeaders(b []byte, headers []Header, message string) []byte {
	for _, h := range headers {
		b = fmt.Appendf(b, "%s %s\n", h.Key, strings.ReplaceAll(h.Value, "\n", "\n "))
	}
	b = append(b, '\n')
	return append(b, message...)
}

// Header returns the value of the first additional header of the key, "" if there is none.
func (c *Commit) Header(key string) string { return headerValue(c.Headers, key) }

func headerValue(headers []Header, key string) string {
	for _, h := range headers {
		if h.Key == key {
			return h.Value
		}
	}
	return ""
}

// DecodeCommit reads the content of the commit object id. As git does, it takes the tree from the first line and the
// parents from those that follow; the same keys further down are additional headers. A line that is missing or odd in
// the author or committer leaves what cannot be read empty. It fails with REPOSITORY_CORRUPT.
func DecodeCommit(id ObjectID, content []byte) (*Commit, error) {
	headers, message := splitHeaders(content)
	c := &Commit{ID: id, Message: message}
	var ok bool
	if c.Tree, headers, ok = cutID(headers, "tree", id.Format()); !ok {
		return nil, malformed(CommitObject, id)
	}
	for len(headers) > 0 && headers[0].Key == "parent" {
		var p ObjectID
		if p, headers, ok = cutID(headers, "parent", id.Format()); !ok {
			return nil, malformed(CommitObject, id)
		}
		c.Parents = append(c.Parents, p)
	}
	c.Author, headers = cutSignature(headers, "author")
	c.Committer, c.Headers = cutSignature(headers, "committer")
	return c, nil
}

func malformed(t ObjectType, id ObjectID) error {
	return errs.New(errs.ReasonRepositoryCorrupt, t.String()+" "+id.String()+" is malformed", errs.MetaObject, id.String())
}

// cutID takes the ID of the key off the front.
func cutID(headers []Header, key string, f ObjectFormat) (ObjectID, []Header, bool) {
	if len(headers) == 0 || headers[0].Key != key {
		return ObjectID{}, headers, false
	}
	id, err := ParseObjectID(headers[0].Value)
	return id, headers[1:], err == nil && id.Format() == f
}

// cutSignature takes the signature of the key off the front, if it is there.
func cutSignature(headers []Header, key string) (Signature, []Header) {
	if len(headers) == 0 || headers[0].Key != key {
		return parseSignature(""), headers
	}
	return parseSignature(headers[0].Value), headers[1:]
}

func splitHeaders(content []byte) (headers []Header, message string) {
	rest := string(content)
	for rest != "" && rest[0] != '\n' {
		line, after, _ := strings.Cut(rest, "\n")
		rest = after
		key, value, _ := strings.Cut(line, " ")
		if strings.HasPrefix(rest, " ") { // whoever made the object says how many lines there are: each is copied once
			var all strings.Builder
			all.WriteString(value)
			for strings.HasPrefix(rest, " ") {
				line, rest, _ = strings.Cut(rest[1:], "\n")
				all.WriteString("\n" + line)
			}
			value = all.String()
		}
		headers = append(headers, Header{key, value})
	}
	return headers, strings.TrimPrefix(rest, "\n")
}

// Tag is an annotated tag object.
type Tag struct {
	// ID is the tag object's own; [Tag.Encode] does not use it.
	ID         ObjectID
	Target     ObjectID
	TargetType ObjectType
	// Name is the tag's short name, as the object says it.
	Name string
	// Tagger is who made the tag; zero in old tags.
	Tagger  Signature
	Headers []Header
	Message string
}

// Encode returns the content of the tag object.
func (t *Tag) Encode() []byte {
	b := fmt.Appendf(nil, "object %s\ntype %s\ntag %s\n", t.Target, t.TargetType, t.Name)
	if !t.Tagger.IsZero() {
		b = append(t.Tagger.append(append(b, "tagger "...)), '\n')
	}
	return appendHeaders(b, t.Headers, t.Message)
}

// Header returns the value of the first additional header of the key, "" if there is none.
func (t *Tag) Header(key string) string { return headerValue(t.Headers, key) }

// DecodeTag reads the content of the tag object id, whose first lines have to be object, type and tag. Old tags have no
// tagger. It fails with REPOSITORY_CORRUPT.
func DecodeTag(id ObjectID, content []byte) (*Tag, error) {
	headers, message := splitHeaders(content)
	t := &Tag{ID: id, Message: message}
	var ok bool
	if t.Target, headers, ok = cutID(headers, "object", id.Format()); !ok || len(headers) < 2 || headers[0].Key != "type" || headers[1].Key != "tag" {
		return nil, malformed(TagObject, id)
	}
	if t.TargetType, ok = ParseObjectType(headers[0].Value); !ok {
		return nil, malformed(TagObject, id)
	}
	if t.Name = headers[1].Value; strings.Contains(t.Name, "\n") {
		return nil, malformed(TagObject, id)
	}
	t.Tagger, t.Headers = cutSignature(headers[2:], "tagger")
	return t, nil
}

// maxMessage bounds a commit or tag message, in bytes.
const maxMessage = 256 << 10

// NormalizeMessage returns the message as GitStore stores it: ending in one newline at least, as git-commit(1) does. An
// empty message, one above 256 KiB, with NUL or not UTF-8 fails with INVALID_MESSAGE.
func NormalizeMessage(message string) (string, error) {
	rule := ""
	switch {
	case strings.TrimSpace(message) == "":
		rule = "it is empty"
	case len(message) > maxMessage:
		rule = "it is longer than 262144 bytes"
	case strings.IndexByte(message, 0) >= 0:
		rule = "it contains NUL"
	case !utf8.ValidString(message):
		rule = "it is not UTF-8"
	}
	if rule != "" {
		return "", errs.InvalidField(errs.ReasonInvalidMessage, "message", "the message is invalid: %s", rule)
	}
	if !strings.HasSuffix(message, "\n") {
		message += "\n"
	}
	return message, nil
}

// CompareCommitTimes orders commits by committer time, the newest first.
func CompareCommitTimes(a, b *Commit) int {
	return cmp.Compare(b.Committer.When.Unix(), a.Committer.When.Unix())
}

package catalog

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
)

// rewrite returns the source of fields with the values of the target in it. It changes as few bytes as it can: first the
// values themselves, then whole fields, whichever comes first that reads as the target does. It does not write all fields anew,
// which would take the comments of those that stay.
func rewrite(path git.TreePath, source string, root, target *yaml.Node) (string, error) {
	for _, whole := range []bool{false, true} {
		s := newSplicer(source, formatOf(path) == formatJSON)
		s.whole = whole
		if s.mapping(root, target, s.documentEnd()) != nil {
			continue
		}
		if out := s.apply(); readsAs(path, out, target) {
			return out, nil
		}
	}
	return "", errs.New(errs.ReasonInvalidArgument, "the document cannot be edited field by field as it is written: write its file as a whole")
}

func readsAs(path git.TreePath, source string, target *yaml.Node) bool {
	f := front{source: source}
	root, problem := f.parse(path)
	return problem == nil && equal(root, target)
}

// splicer changes parts of a source.
type splicer struct {
	source string
	// json says that the source is JSON, whose values are written as such.
	json bool
	// whole changes no part of a value of the root, but all of it.
	whole bool
	// lines are the offsets at which lines begin.
	lines []int
	// end is how lines end.
	end     string
	changes []splice
}

// splice replaces the bytes from a place up to another.
type splice struct {
	from, to int
	text     string
}

func newSplicer(source string, isJSON bool) *splicer {
	s := &splicer{source: source, json: isJSON, lines: []int{0}, end: lineEnd(source)}
	for i := 0; i < len(source); {
		r, size := utf8.DecodeRuneInString(source[i:])
		i += size
		switch {
		case r == '\r' && strings.HasPrefix(source[i:], "\n"):
		case r == '\n', !isJSON && (r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029'): // as YAML 1.1 breaks lines
			s.lines = append(s.lines, i)
		}
	}
	return s
}

// lineEnd is how the lines of a source end.
func lineEnd(source string) string {
	if i := strings.IndexByte(source, '\n'); i > 0 && source[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// at is the offset of a value.
func (s *splicer) at(n *yaml.Node) int {
	offset := s.lines[min(n.Line, len(s.lines))-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRuneInString(s.source[offset:])
		offset += size
	}
	return offset
}

func (s *splicer) replace(from, to int, text string) {
	s.changes = append(s.changes, splice{from, to, text})
}

func (s *splicer) apply() string {
	slices.SortStableFunc(s.changes, func(a, b splice) int { return cmp.Compare(a.from, b.from) })
	var out strings.Builder
	done := 0
	for _, c := range s.changes {
		if c.from < done || c.to < c.from {
			return "" // it reads as nothing
		}
		out.WriteString(s.source[done:c.from] + c.text)
		done = c.to
	}
	return out.String() + s.source[done:]
}

var documentEnd = regexp.MustCompile(`(?m)^\.\.\.(\s|$)`)

// documentEnd is where the fields end: at the line "..." of YAML if there is one.
func (s *splicer) documentEnd() int {
	if at := documentEnd.FindStringIndex(s.source); at != nil && !s.json {
		return at[0]
	}
	return len(s.source)
}

func isFlow(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }

// mapping changes what differs in a map whose last entry ends before limit.
func (s *splicer) mapping(current, target *yaml.Node, limit int) error {
	if s.json || isFlow(current) {
		return s.flowMapping(current, target)
	}
	last := 0
	for i := 0; i+1 < len(current.Content); i += 2 {
		key, value := current.Content[i], current.Content[i+1]
		stop := limit
		if i+2 < len(current.Content) {
			stop = s.lines[current.Content[i+2].Line-1]
		}
		from := s.lines[key.Line-1]
		wanted := lookUp(target, key.Value)
		to := s.contentEnd(value, wanted, from, stop, current.Column-1)
		last = max(s.behind(value, from, stop, current.Column-1), to)
		if i+2 == len(current.Content) && len(target.Content) > 0 && keepsBlank(target.Content[len(target.Content)-1]) {
			_, last = s.ends(value, from, stop, current.Column-1)
		}
		switch {
		case wanted == nil:
			s.replace(from, to, "")
		case !equal(value, wanted):
			if err := s.entry(key, value, wanted, current.Column-1, from, to, last); err != nil {
				return err
			}
		}
	}
	for i := 0; i+1 < len(target.Content); i += 2 {
		if lookUp(current, target.Content[i].Value) != nil {
			continue
		}
		text, err := s.pair(target.Content[i], target.Content[i+1], current.Column-1)
		if err != nil {
			return err
		}
		if last > 0 && !strings.HasSuffix(s.source[:last], "\n") {
			text = s.end + strings.TrimSuffix(text, s.end) // the source has no line end at its end
		}
		s.replace(last, last, text)
	}
	return nil
}

// contentEnd is where the lines of an entry end that begins at from, in a map that is so far indented: blank lines and comments
// behind it that are not further in are not its own, unless it is to be one, or nil, that would take the blank lines.
func (s *splicer) contentEnd(value, wanted *yaml.Node, from, stop, indent int) int {
	end, blank := s.ends(value, from, stop, indent)
	if s.whole || wanted != nil && keepsBlank(wanted) { // the blank lines may be the end of a text that keeps them
		return blank
	}
	return end
}

// behind is where the next entry goes behind one that begins at from: a text that keeps the blank lines behind it keeps them.
func (s *splicer) behind(value *yaml.Node, from, stop, indent int) int {
	end, blank := s.ends(value, from, stop, indent)
	if s.whole || isBlock(lastOf(value)) && keepsBlank(value) {
		return blank
	}
	return end
}

// lastOf is what a value ends with.
func lastOf(n *yaml.Node) *yaml.Node {
	for len(n.Content) > 0 {
		n = n.Content[len(n.Content)-1]
	}
	return n
}

// keepsBlank reports whether a value ends with a text that keeps the blank lines behind it if it is written in lines of its own.
func keepsBlank(n *yaml.Node) bool {
	text := lastOf(n).Value
	return text == "\n" || strings.HasSuffix(text, "\n\n")
}

func isBlock(n *yaml.Node) bool { return n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 }

// ends are where the lines of an entry end, and the blank lines behind them. Lines of blanks that are further in than the entry
// belong to the text in lines of its own that it ends with.
func (s *splicer) ends(value *yaml.Node, from, stop, indent int) (end, blank int) {
	inText := isBlock(lastOf(value))
	end, blank = stop, stop
	for {
		i, _ := slices.BinarySearch(s.lines, end)
		if i--; i < 0 || s.lines[i] <= from {
			break
		}
		line := strings.TrimRight(s.source[s.lines[i]:end], "\r\n")
		text := strings.TrimLeft(line, " \t")
		if text == "" && inText && len(line) > indent || text != "" && (text[0] != '#' || len(line)-len(text) > indent) {
			break
		}
		if end = s.lines[i]; text != "" {
			blank = end
		}
	}
	return end, blank
}

// entry changes the value of a key in a map that is so far indented, whose lines are those between two places, and whose blank
// lines go on to a third.
func (s *splicer) entry(key, value, wanted *yaml.Node, indent, from, to, limit int) error {
	switch {
	case !s.whole:
		done, err := s.part(key, value, wanted, limit)
		if done || err != nil {
			return err
		}
	case len(value.Content) > 0 && len(wanted.Content) > 0 && s.mayComment(from, to): // what stays of it may have them
		return errUnclear
	}
	text, err := s.pair(key, wanted, indent)
	if err != nil {
		return err
	}
	if !strings.HasSuffix(s.source[from:to], "\n") {
		text = strings.TrimSuffix(text, s.end)
	}
	s.replace(from, to, text)
	return nil
}

// part changes a value without the line that it is on, if it can.
func (s *splicer) part(key, value, wanted *yaml.Node, to int) (done bool, err error) {
	switch {
	case value.Kind == yaml.MappingNode && wanted.Kind == yaml.MappingNode && len(value.Content) > 0 && len(wanted.Content) > 0:
		return true, s.mapping(value, wanted, to)
	case value.Kind == yaml.SequenceNode && wanted.Kind == yaml.SequenceNode && !isFlow(value) && len(wanted.Content) > 0:
		return true, s.sequence(value, wanted, to)
	case value.Line != key.Line || wanted.Kind != yaml.ScalarNode && !isFlow(value):
		return false, nil
	}
	end := s.valueEnd(value, to)
	if end < 0 {
		return false, nil
	}
	text, err := s.inline(styled(wanted, value))
	if err == nil {
		s.replace(s.at(value), end, text)
	}
	return err == nil, err
}

// sequence changes the items of a list in lines of their own that differ, from the first to the last one.
func (s *splicer) sequence(value, wanted *yaml.Node, limit int) error {
	starts := make([]int, 0, len(value.Content)+1)
	for _, item := range value.Content {
		starts = append(starts, s.lines[item.Line-1])
	}
	indent := value.Column - 1
	end := s.behind(value.Content[len(value.Content)-1], starts[len(starts)-1], limit, indent)
	if keepsBlank(wanted) {
		_, end = s.ends(value, starts[len(starts)-1], limit, indent)
	}
	starts = append(starts, end)
	same := 0
	for same < min(len(value.Content), len(wanted.Content)) && equal(value.Content[same], wanted.Content[same]) {
		same++
	}
	tail := 0
	for tail < min(len(value.Content), len(wanted.Content))-same &&
		equal(value.Content[len(value.Content)-1-tail], wanted.Content[len(wanted.Content)-1-tail]) {
		tail++
	}
	from, to := starts[same], starts[len(value.Content)-tail]
	if same < len(value.Content)-tail { // comments behind the last of them stay
		var behind *yaml.Node
		if same < len(wanted.Content)-tail {
			behind = wanted.Content[len(wanted.Content)-tail-1]
		}
		to = s.contentEnd(value.Content[len(value.Content)-tail-1], behind, starts[len(value.Content)-tail-1], to, indent)
	} else {
		to = from
	}
	items := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: wanted.Content[same : len(wanted.Content)-tail]}
	text := ""
	if len(items.Content) > 0 {
		var err error
		if text, err = encode(items, indent, s.end); err != nil {
			return err
		}
	}
	switch {
	case from > 0 && !strings.HasSuffix(s.source[:from], "\n"):
		text = s.end + strings.TrimSuffix(text, s.end)
	case to == len(s.source) && !strings.HasSuffix(s.source, "\n"):
		text = strings.TrimSuffix(text, s.end)
	}
	s.replace(from, to, text)
	return nil
}

// mayComment reports whether there may be comments between two places.
func (s *splicer) mayComment(from, to int) bool {
	return !s.json && strings.Contains(s.source[from:to], "#")
}

// flowMapping changes what differs in a map between braces: all of it if nothing stays, or it cannot be told where what stays
// ends and there are no comments.
func (s *splicer) flowMapping(current, target *yaml.Node) error {
	stays := false
	for i := 0; i+1 < len(current.Content); i += 2 {
		stays = stays || lookUp(target, current.Content[i].Value) != nil
	}
	if stays && !s.whole {
		before := len(s.changes)
		if s.flowMembers(current, target) == nil {
			return nil
		}
		s.changes = s.changes[:before]
	}
	from, to := s.at(current), s.flowEnd(current)
	if to < 0 || stays && s.mayComment(from, to) {
		return errUnclear
	}
	text, err := s.inline(styled(target, current))
	if err == nil {
		s.replace(from, to, text)
	}
	return err
}

// flowMembers changes the members that differ in a map between braces of which something stays.
func (s *splicer) flowMembers(current, target *yaml.Node) error {
	comments := s.mayComment(s.at(current), s.flowEnd(current))
	end := 0 // that of the value before
	comma := true
	for i := 0; i+1 < len(current.Content); i += 2 {
		key, value := current.Content[i], current.Content[i+1]
		from, before := s.at(key), end
		if end = s.flowEnd(value); end < 0 {
			return errUnclear
		}
		wanted := lookUp(target, key.Value)
		switch {
		case wanted == nil && comments:
			end = s.memberEnd(current, i, end)
			comma = i+2 < len(current.Content)
			s.replace(from, end, "")
		case wanted == nil && i > 0:
			s.replace(before, end, "")
		case wanted == nil:
			s.replace(from, s.at(current.Content[2]), "")
		case equal(value, wanted):
		case value.Kind == yaml.MappingNode && wanted.Kind == yaml.MappingNode && len(value.Content) > 0:
			if err := s.flowMapping(value, wanted); err != nil {
				return err
			}
		default:
			text, err := s.inline(styled(wanted, value))
			if err != nil {
				return err
			}
			if s.at(value) == end && !strings.HasSuffix(strings.TrimRightFunc(s.source[from:end], isBlank), ":") { // a key alone
				text = ": " + text
			}
			s.replace(s.at(value), end, text)
		}
	}
	return s.flowAdd(current, target, end, comma)
}

// memberEnd is where a member of a map between braces ends whose value ends at a place: the comments in its last line are its
// own, those in the lines behind are not.
func (s *splicer) memberEnd(current *yaml.Node, i, end int) int {
	if i+2 == len(current.Content) {
		rest := s.source[end:]
		if behind, found := strings.CutPrefix(strings.TrimLeftFunc(rest, isBlank), ","); found {
			return end + len(rest) - len(behind)
		}
		return end
	}
	next := s.at(current.Content[i+2])
	between := s.source[end:next]
	if line := strings.IndexByte(between, '\n'); line >= 0 {
		if comment := strings.IndexByte(between[line:], '#'); comment >= 0 {
			return end + line + comment
		}
	}
	return next
}

// flowAdd adds the keys of the target that a map does not have behind its last value, behind a comma unless there is one.
func (s *splicer) flowAdd(current, target *yaml.Node, end int, comma bool) error {
	key := current.Content[len(current.Content)-2]
	before := s.source[s.lines[key.Line-1]:s.at(key)]
	gap := " "
	if strings.TrimSpace(before) == "" && key.Line > current.Line {
		gap = s.end + before
	}
	for i := 0; i+1 < len(target.Content); i += 2 {
		key, value := target.Content[i], target.Content[i+1]
		if lookUp(current, key.Value) != nil {
			continue
		}
		name, err := s.inline(key)
		if err != nil {
			return err
		}
		text, err := s.inline(value)
		if err != nil {
			return err
		}
		if comma {
			name = "," + gap + name
		}
		s.replace(end, end, name+": "+text)
		comma = true
	}
	return nil
}

var errUnclear = errs.New(errs.ReasonInvalidArgument, "the end of a value is unclear")

// valueEnd is where a value ends that does so before limit; -1 if that is unclear.
func (s *splicer) valueEnd(n *yaml.Node, limit int) int {
	from := s.at(n)
	if from > limit {
		return -1
	}
	text := s.source[from:limit]
	switch {
	case n.Kind != yaml.ScalarNode && text != "" && (text[0] == '{' || text[0] == '['):
		return add(from, closing(text))
	case n.Kind != yaml.ScalarNode || n.Style&(yaml.TaggedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 || text == "":
		return -1
	case text[0] == '"' || text[0] == '\'':
		return add(from, quoted(text))
	case s.json:
		return from + strings.IndexFunc(text+" ", func(r rune) bool { return strings.ContainsRune(" \t\r\n,]}", r) })
	}
	// A plain scalar on one line is written as it is read.
	if !strings.HasPrefix(text, n.Value) || n.Value == "" || strings.ContainsAny(n.Value, "\r\n") {
		return -1
	}
	return from + len(n.Value)
}

// flowEnd is [splicer.valueEnd] of what stands between brackets, where a text without quotes may go on in the next line.
func (s *splicer) flowEnd(n *yaml.Node) int {
	if s.json || n.Kind != yaml.ScalarNode || n.Style != 0 {
		return s.valueEnd(n, len(s.source))
	}
	from := s.at(n)
	if n.Value == "" { // one that is not there
		return from
	}
	text := s.source[from:]
	return from + len(strings.TrimRightFunc(text[:unquoted(text)], isBlank))
}

func add(from, length int) int {
	if length < 0 {
		return -1
	}
	return from + length
}

// quoted is the length of the text in quotes that a text begins with, -1 if it does not end.
func quoted(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && text[0] == '"':
			i++
		case text[i] != text[0]:
		case text[0] == '\'' && strings.HasPrefix(text[i+1:], "'"):
			i++
		default:
			return i + 1
		}
	}
	return -1
}

// closing is the length of the list or map in brackets that a text begins with, -1 if it does not end.
func closing(text string) int {
	depth := 0
	for i := 0; i < len(text); {
		r, length := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == '{' || r == '[':
			depth++
		case r == '}' || r == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case r == '"' || r == '\'':
			length = quoted(text[i:])
		case r == '#':
			length = strings.IndexAny(text[i:], lineBreaks)
		case r == '!':
			length = tagged(text[i:])
		case r != ',' && r != ':' && r != '?' && !isBlank(r):
			length = unquoted(text[i:])
		}
		if length < 1 {
			return -1
		}
		i += length
	}
	return -1
}

// lineBreaks are what lines end with in YAML 1.1.
const lineBreaks = "\r\n\u0085\u2028\u2029"

func isBlank(r rune) bool { return strings.ContainsRune(" \t"+lineBreaks, r) }

// tagged is the length of the tag that a text between brackets begins with, less than one if it does not end.
func tagged(text string) int {
	if strings.HasPrefix(text, "!<") {
		return strings.IndexByte(text, '>') + 1
	}
	return strings.IndexAny(text, " \t"+lineBreaks+",]}")
}

// unquoted is the length of the text without quotes that a text between brackets begins with, and of the blanks behind it. A
// quote in it, or a "#" that has no blank in front, is a character as any other.
func unquoted(text string) int {
	blank := false
	for i, r := range text {
		switch next, _ := utf8.DecodeRuneInString(text[i+1:]); {
		case strings.ContainsRune(",[]{}?", r), r == ':' && isBlank(next), r == '#' && blank:
			return i
		}
		blank = isBlank(r)
	}
	return len(text)
}

// styled returns a value to be written the way that another is: in the same quotes, or between brackets.
func styled(n, as *yaml.Node) *yaml.Node {
	out := *n
	if n.Kind == yaml.ScalarNode && as.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" {
		out.Style = as.Style & (yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle)
	}
	return &out
}

// inline writes a value on one line, to stand between others.
func (s *splicer) inline(n *yaml.Node) (string, error) {
	if s.json {
		return string(appendJSON(nil, n)), nil
	}
	text, err := encode(&yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle, Content: []*yaml.Node{oneLine(n)}}, 0, "\n")
	text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(text, "\n"), "["), "]")
	if err == nil && strings.Contains(text, "\n") {
		err = errUnclear
	}
	return text, err
}

// oneLine returns a value without anything that would need several lines.
func oneLine(n *yaml.Node) *yaml.Node {
	out := bare(n)
	if n.Kind == yaml.ScalarNode {
		out.Style = n.Style & (yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle)
		switch {
		case strings.ContainsAny(n.Value, lineBreaks):
			out.Style = yaml.DoubleQuotedStyle
		case n.Value == "" && isNull(n):
			out.Value = "null"
		}
		return out
	}
	out.Style = yaml.FlowStyle
	for i, item := range out.Content {
		out.Content[i] = oneLine(item)
	}
	return out
}

// readAsOther are the texts without quotes that readers of YAML 1.1, which most tools are, take for something else, even where the encoder
// does not: a truth value, a default, a merge, a number, or a date (yaml.org/type/bool.html and so on, for value, merge, int, float and
// timestamp).
var readAsOther = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|=|<<|` +
	`[-+]?(0x[0-9a-f_]+|0b[01_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?|([0-9][0-9_]*\.?|\.[0-9])[0-9_]*(e[-+]?[0-9]+)?)|` +
	`[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}((t|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]*)?([ \t]*(z|[-+][0-9]{1,2}(:?[0-9]{2})?))?)?)$`)

// bare returns a copy of a value without its comments.
func bare(n *yaml.Node) *yaml.Node {
	out := &yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: n.Style &^ yaml.TaggedStyle}
	switch n.ShortTag() {
	case "!!timestamp":
		out.Tag = "!!str"
	case "!!int", "!!float":
		// A tag is written where it is not that of the plain value, as of a whole number that is too large for the encoder.
		if plain := (&yaml.Node{Kind: yaml.ScalarNode, Value: n.Value}); n.Style&yaml.TaggedStyle == 0 && isNumber(plain) && equal(plain, n) {
			out.Tag = plain.ShortTag()
		}
	case "!!str":
		switch {
		case strings.HasPrefix(n.Value, "\t") && strings.Contains(n.Value, "\n"), strings.ContainsAny(n.Value, "\u0085\u2028\u2029"):
			// The encoder writes them so that they cannot be read, or not by all.
			out.Style = yaml.DoubleQuotedStyle
		case n.Style == 0 && readAsOther.MatchString(n.Value):
			out.Style = yaml.DoubleQuotedStyle
		}
	}
	for _, item := range n.Content {
		out.Content = append(out.Content, bare(item))
	}
	return out
}

// pair writes a key and its value in lines of their own.
func (s *splicer) pair(key, value *yaml.Node, indent int) (string, error) {
	return encode(&yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: []*yaml.Node{key, value}}, indent, s.end)
}

// encode writes a value in lines so far indented.
func encode(n *yaml.Node, indent int, end string) (string, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(bare(n)); err != nil {
		return "", errs.Wrap(err, errs.ReasonInvalidArgument, "the fields cannot be written: "+clip(err.Error()))
	}
	_ = e.Close()
	var text strings.Builder
	for line := range strings.Lines(out.String()) {
		if line != "\n" {
			text.WriteString(strings.Repeat(" ", indent))
		}
		text.WriteString(strings.TrimSuffix(line, "\n") + end)
	}
	return text.String(), nil
}

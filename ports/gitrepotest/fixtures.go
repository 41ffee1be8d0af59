package gitrepotest

import (
	"fmt"
	"strings"

	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

// by is a line about a person, hours after the epoch.
func by(person string, hours int) string {
	return fmt.Sprintf("%s %d +0200", person, epoch+hours*3600)
}

const (
	adaPerson  = "Ada Lovelace <ada@example.com>"
	bobPerson  = "Bob Möbius <bob@example.com>"
	cleoPerson = "Cleo <CLEO@Example.ORG>"
)

func regular(p, content string) fixtureFile {
	return fixtureFile{path: p, mode: git.ModeRegular, content: content}
}

func executable(p, content string) fixtureFile {
	return fixtureFile{path: p, mode: git.ModeExecutable, content: content}
}

func symlink(p, target string) fixtureFile {
	return fixtureFile{path: p, mode: git.ModeSymlink, content: target}
}

func submodule(p, digit string) fixtureFile {
	return fixtureFile{path: p, mode: git.ModeSubmodule, submodule: digit}
}

// Files of the sample that cases speak of.
const (
	latin1Path  = "odd/caf\xe9.txt"
	newlinePath = "odd/new\nline.txt"
	quotesPath  = "odd/\"quoted\" 'twice'.txt"

	// largeSize is more than one message of gRPC holds.
	largeSize = 5<<20 + 7
)

// ladder is a text of twenty numbered lines.
func ladder() string {
	var b strings.Builder
	for i := 1; i <= 20; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

// sample has every kind of entry, names that a file system or a careless program would stumble over, files around every
// limit, and in its second commit every kind of change.
var sample = fixture{
	commits: []fixtureCommit{
		{
			name: "first", ref: "refs/heads/main", author: by(adaPerson, 0), message: "Begin\n",
			files: []fixtureFile{
				regular("README.md", "# Sample\n"),
				executable("bin/run", "#!/bin/sh\n"),
				regular("docs/guide.md", ladder()),
				regular("docs/deep/er/still.md", "deep\n"),
				regular("empty", ""),
				regular("binary.dat", "a\x00b\n"),
				regular("noeol.txt", "no newline"),
				regular("gone.txt", "gone\n"),
				regular("limit.bin", pattern(ports.MaxGetFile)),
				regular("over.bin", pattern(ports.MaxGetFile+1)),
				regular("large.bin", pattern(largeSize)),
				symlink("link", "README.md"),
				symlink("dirlink", "docs"),
				symlink("escape", "../../../etc/passwd"),
				submodule("module", "1"),
				regular(".gitmodules", "[submodule \"module\"]\n\tpath = module\n\turl = https://example.com/module.git\n"),
				// In a tree the directory "a" is sorted as "a/"; paths are sorted by their bytes.
				regular("order/a-b", "1\n"), regular("order/a.b", "2\n"), regular("order/a/x", "3\n"), regular("order/a0", "4\n"),
				regular(latin1Path, "latin 1\n"),
				regular(newlinePath, "newline\n"),
				regular(quotesPath, "quotes\n"),
				regular("odd/tab\there", "tab\n"),
				regular("odd/back\\slash", "backslash\n"),
				regular("odd/ space ", "space\n"),
				regular("odd/-rf", "dash\n"),
				regular("odd/:(glob)**", "pathspec\n"),
				regular("odd/[a-c]*?.md", "glob\n"),
				regular("odd/caf\u00e9", "composed\n"), regular("odd/cafe\u0301", "decomposed\n"),
				regular("odd/UPPER", "upper\n"), regular("odd/upper", "lower\n"),
				regular("odd/\x01\x7f", "control\n"),
				regular("swap", "a file\n"), regular("turn/inner", "a directory\n"),
				submodule("unhook", "2"), regular("hook", "a file\n"),
			},
		},
		{
			name: "second", ref: "refs/heads/main", parents: []string{"first"}, author: by(bobPerson, 1), committer: by(adaPerson, 2),
			message: "Change every kind\n\nIn every way.\n",
			remove:  []string{"gone.txt", "swap", "turn/inner"},
			files: []fixtureFile{
				regular("README.md", "# Sample\n\nMore.\n"),
				regular("bin/run", "#!/bin/sh\n"),
				regular("docs/guide.md", strings.Replace(ladder(), "line 10\n", "line ten\n", 1)),
				regular("binary.dat", "a\x00c\n"),
				regular("noeol.txt", "no newline\n"),
				regular("large.bin", pattern(largeSize-1)),
				regular("link", "README.md"),
				submodule("module", "3"),
				regular("new.txt", "new\nfile\n"),
				regular("new-and-empty", ""),
				regular(latin1Path, "Latin 1\n"),
				regular("swap/inner", "a directory\n"), regular("turn", "a file\n"),
				regular("unhook", "a file\n"), submodule("hook", "4"),
			},
		},
		{name: "bare", ref: "refs/heads/bare", author: by(adaPerson, 3), message: "Nothing\n"},
		{
			name: "odd", ref: "refs/heads/odd", parents: []string{"first"},
			author: "J\xf6rg <j@example.com> 1700010800 -0330", committer: "Nobody <> 1700010801 +1245",
			encoding: "ISO-8859-1", message: "Gr\xfc\xdfe\n\nwithout a newline at the end",
		},
		{name: "note", ref: "refs/notes/commits", author: by(adaPerson, 4), message: "Note\n", files: []fixtureFile{regular("n", "n")}},
	},
	tags: []fixtureTag{
		{name: "v1.0.0", of: "first", tagger: by(adaPerson, 1), message: "One\n"},
		{name: "outer", of: "v1.0.0", tagger: by(bobPerson, 2), message: "A tag of a tag\n"},
		{name: "outermost", of: "outer", tagger: by(bobPerson, 3), message: "A tag of a tag of a tag\n"},
		{name: "readme", of: "README.md", in: "first", tagger: by(adaPerson, 1), message: "A tag of a file\n"},
	},
	refs: map[string]string{
		"refs/tags/light":           "first",
		"refs/tags/v2.0.0":          "second",
		"refs/heads/feature/a":      "first",
		"refs/heads/feature/b":      "second",
		"refs/heads/feature/deep/c": "second",
		"refs/heads/feature.x":      "first",
		"refs/heads/same":           "first",
		"refs/tags/same":            "second",
		"refs/heads/-dash":          "first",
		"refs/heads/caf\xe9":        "first",
		"refs/heads/" + "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef": "first",
	},
}

// story is a history with merges. Each commit is an hour after the one above it, but for "skewed".
//
//	root   main   A   a=1 lib/x=1
//	second main   B   a=2            child of root
//	topic1 topic  A   lib/x=2        child of second
//	side   side   C   a=side         child of second
//	third  main   B   b=1            child of second
//	topic2 topic  C   lib/y=1        child of topic1
//	merge  main   A                  merge of third and topic2
//	ours   main   A                  merge of merge and side, which keeps a=2
//	last   main   A   a=3            child of ours
var story = fixture{
	commits: []fixtureCommit{
		{
			name: "root", ref: "refs/heads/main", author: by(adaPerson, 0), message: "root\n",
			files: []fixtureFile{regular("a", "1\n"), regular("lib/x", "1\n")},
		},
		{
			name: "second", ref: "refs/heads/main", parents: []string{"root"}, author: by(bobPerson, 1), message: "second\n",
			files: []fixtureFile{regular("a", "2\n")},
		},
		{
			name: "topic1", ref: "refs/heads/topic", parents: []string{"second"}, author: by(adaPerson, 2), message: "topic1\n",
			files: []fixtureFile{regular("lib/x", "2\n")},
		},
		{
			name: "side", ref: "refs/heads/side", parents: []string{"second"}, author: by(cleoPerson, 3), message: "side\n",
			files: []fixtureFile{regular("a", "side\n")},
		},
		{
			name: "third", ref: "refs/heads/main", parents: []string{"second"}, author: by(bobPerson, 4), message: "third\n",
			files: []fixtureFile{regular("b", "1\n")},
		},
		{
			name: "topic2", ref: "refs/heads/topic", parents: []string{"topic1"}, author: by(cleoPerson, 5), message: "topic2\n",
			files: []fixtureFile{regular("lib/y", "1\n")},
		},
		{
			name: "merge", ref: "refs/heads/main", parents: []string{"third", "topic2"}, author: by(adaPerson, 6), message: "merge\n",
			files: []fixtureFile{regular("lib/x", "2\n"), regular("lib/y", "1\n")},
		},
		{name: "ours", ref: "refs/heads/main", parents: []string{"merge", "side"}, author: by(adaPerson, 7), message: "ours\n"},
		{
			name: "last", ref: "refs/heads/main", parents: []string{"ours"},
			author: by(bobPerson, 0), committer: by(adaPerson, 8), message: "last\n",
			files: []fixtureFile{regular("a", "3\n")},
		},
		{
			name: "orphan", ref: "refs/heads/orphan", author: by(adaPerson, 9), message: "orphan\n",
			files: []fixtureFile{regular("a", "3\n"), regular("o", "1\n")},
		},
		// Clocks are wrong: the parent is a year ahead of its child, which is older than the root.
		{
			name: "future", ref: "refs/heads/skewed", parents: []string{"root"}, author: by(adaPerson, 24*365), message: "future\n",
			files: []fixtureFile{regular("f", "1\n")},
		},
		{
			name: "past", ref: "refs/heads/skewed", parents: []string{"future"}, author: by(adaPerson, -24), message: "past\n",
			files: []fixtureFile{regular("f", "2\n")},
		},
		{
			name: "skewed", ref: "refs/heads/skewed", parents: []string{"past", "second"}, author: by(adaPerson, 10), message: "skewed\n",
		},
	},
}

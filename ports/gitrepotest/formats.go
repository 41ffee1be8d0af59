package gitrepotest

import (
	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var formatCases = []testCase{
	{"objects have the IDs that git gives them", objectsHaveGitsIDs},
	{"an object ID of the other format names nothing", otherFormatNamesNothing},
}

// knownIDs are IDs that git 2.39 gave. They hold the suite itself to them, too, as it reckons its own.
var knownIDs = map[git.ObjectFormat]struct{ commit, tree, blob, sample, story, tagOfTag string }{
	git.SHA1: {
		commit:   "6cba1c3c098fc9a0f6ae1b510cbaa524b166d487",
		tree:     "f28a3f9e53720d0c8cd50458fde73977420bd65f",
		blob:     "7f3b95d297183eca8f6cf38ceaa253bee8c2d7cd",
		sample:   "e1fd5a94d4e27687dbb0e1879719c3b0fc29ad0a",
		story:    "7a13e9c2ab5a581ec5a88b27bbaf35de8e16756c",
		tagOfTag: "6f9e2d91349163637652d96ddfb975beecc99629",
	},
	git.SHA256: {
		commit:   "3349e4f771d93a8e04a3d75fb3d9e6549128111820d95b81928e6d7d3bf3cf4d",
		tree:     "f017b3bb590463038457aac3bc2245a94eee35d96fcd15934e8e967b4075346d",
		blob:     "f107579dcd8a9812efdef6bf2859d4f3533331297bf031086af3c5eb3ad33d9e",
		sample:   "97beaa2e54d8d5256e33cfbd880ff3c9fa3501dd685e09cb6a929a25a5949584",
		story:    "27c99983982bb83df4c4f1cee739f31d030507cef61220a2cb4f874630919e21",
		tagOfTag: "76ee801564ab131135e542546e40fa9b7c7609748de64ed3c8d3e07d5e722e40",
	},
}

func objectsHaveGitsIDs(c *tc) {
	known := knownIDs[c.format]
	r := c.create()
	res, err := r.CommitFiles(c.ctx, request("Begin"), each(create("docs/a.md", "# A\n"), as(true, create("run", "#!/bin/sh\n"))))
	c.ok(err)
	c.equal("the commit", res.Commit.String(), known.commit)
	c.equal("the tree", res.Tree.String(), known.tree)
	c.equal("the blob", res.Blobs[0].Blob.String(), known.blob)
	c.sub("imported", func(c *tc) {
		r, _ := c.readSample()
		c.equal("the head of the sample", r.head().String(), known.sample)
		ref := r.refs(ports.RefQuery{Patterns: []string{"refs/tags/outermost"}})[0]
		c.equal("the tag of a tag", ref.Target.String(), known.tagOfTag)
		r, _ = c.readStory()
		c.equal("the head of the story", r.head().String(), known.story)
	})
}

func otherFormatNamesNothing(c *tc) {
	r := c.createWith(create("a", "1"))
	foreign := c.foreignID()
	_, err := r.ResolveRevision(c.ctx, git.AtCommit(foreign))
	c.fails(err, errs.ReasonObjectNotFound, errs.MetaObject, foreign.String())
	r.refuses(ports.CommitFiles{ExpectedHead: git.ExpectID(foreign)}, []git.Change{create("b", "2")},
		errs.ReasonRefMoved, movedMeta(mainBranch(), foreign, r.head())...)
	r.refuses(ports.CommitFiles{Branch: branch("b"), Start: git.AtCommit(foreign)}, []git.Change{create("b", "2")},
		errs.ReasonObjectNotFound, errs.MetaObject, foreign.String())
	r.refuses(ports.CommitFiles{}, []git.Change{expecting(git.ExpectID(foreign), update("a", "2"))},
		errs.ReasonBlobMoved, errs.MetaPath, "a", errs.MetaExpected, foreign.String(), errs.MetaActual, c.blobID("1").String())
	_, _, err = r.ReadTree(c.ctx, ports.ReadTree{Revision: git.Head(), Base: foreign})
	c.fails(err, errs.ReasonObjectNotFound, errs.MetaObject, foreign.String())
	_, err = r.UpdateRefs(c.ctx, []git.RefUpdate{{Name: branch("b"), Expected: git.ExpectAbsent(), New: foreign}})
	c.fails(err, errs.ReasonObjectNotFound, errs.MetaObject, foreign.String())
}

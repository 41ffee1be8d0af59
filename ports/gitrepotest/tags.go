package gitrepotest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gitstore-dev/gitstore/domain/errs"
	"github.com/gitstore-dev/gitstore/domain/git"
	"github.com/gitstore-dev/gitstore/ports"
)

var tagCases = []testCase{
	{"a tag without a message is a light one", lightTag},
	{"a tag with a message is an annotated one, as its tagger asked", annotatedTag},
	{"an annotated tag without a tagger has the store's own and the time of now", taggerHasDefaults},
	{"a tag names the commit that any revision leads to", tagNamesCommit},
	{"a tag that exists is told with where it is", existingTagIsTold},
	{"conflicting names are refused", tagNamesConflict},
	{"a tag that cannot be stored is refused", badTagsAreRefused},
	{"a tag is deleted, if it is where it is expected", tagIsDeleted},
	{"tags are listed by precedence, a release before its pre-releases, and the rest by name", tagsAreOrdered},
	{"a listing tells what each tag object says", tagsAreDescribed},
	{"pages list every tag once", tagsArePaged},
	{"pages have the default size and the largest", tagPagesHaveLimits},
	{"a page has no more of large tags than a message holds", largeTagsArePaged},
	{"a page goes on where the one before ended, whatever was created or deleted since", tagPagesFollowChanges},
	{"a page size or token that is no good is refused", badPagesOfTagsAreRefused},
	{"the latest tag is the highest version that a range has", latestTagOfRange},
	{"a malformed range is refused, and one that no tag fits told", latestTagOfNothing},
}

func lightTag(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	info, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1.2.3"), Target: git.Head()})
	c.ok(err)
	want := ports.TagInfo{Ref: commitRef(tag("v1.2.3"), head), Version: "1.2.3"}
	c.equal("what CreateTag returns", info, want)
	c.equal("the ref", r.refs(ports.RefQuery{Patterns: []string{"refs/tags"}}), []git.Ref{want.Ref})
	page, err := r.ListTags(c.ctx, ports.Page{})
	c.ok(err)
	c.equal("the listing", page, ports.TagPage{Items: []ports.TagInfo{want}})
}

func annotatedTag(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	tagger := git.Signature{Name: "Ünal", Email: "u@example.com", When: time.Unix(epoch, 999_999_999).In(time.FixedZone("", -(9*60+30)*60))}
	info, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("release/v1"), Target: git.Head(), Message: "One\n\n  Indented, ünïcode", Tagger: tagger})
	c.ok(err)
	tagger.When = tagger.When.Truncate(time.Second)
	object := git.Tag{Target: head, TargetType: git.CommitObject, Name: "release/v1", Tagger: tagger, Message: "One\n\n  Indented, ünïcode\n"}
	object.ID = c.format.HashObject(git.TagObject, object.Encode())
	want := ports.TagInfo{Ref: git.Ref{
		Name: tag("release/v1"), Target: object.ID, TargetType: git.TagObject, Peeled: head, PeeledType: git.CommitObject,
	}, Annotated: &object}
	c.equal("what CreateTag returns", info, want)
	page, err := r.ListTags(c.ctx, ports.Page{})
	c.ok(err)
	c.equal("the listing", page.Items, []ports.TagInfo{want})
}

func taggerHasDefaults(c *tc) {
	r := c.createWith(create("a", "1"))
	info, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head(), Message: "One"})
	c.ok(err)
	own := info.Annotated.Tagger
	if own.IsZero() || time.Since(own.When).Abs() > time.Hour {
		c.Errorf("the tagger is %+v, want the store's own, about now", own)
	}
	info, err = r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v2"), Target: git.Head(), Message: "Two", Tagger: git.Signature{When: time.Unix(epoch, 0)}})
	c.ok(err)
	own.When = time.Unix(epoch, 0)
	c.equal("the tagger of whom only the time is given", info.Annotated.Tagger.Name+info.Annotated.Tagger.Email, own.Name+own.Email)
	c.equal("the time", info.Annotated.Tagger.When.Unix(), own.When.Unix())
	info, err = r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v3"), Target: git.Head(), Message: "Three", Tagger: git.Signature{Name: "A", Email: "a@example.com"}})
	c.ok(err)
	if age := time.Since(info.Annotated.Tagger.When).Abs(); info.Annotated.Tagger.Name != "A" || age > time.Hour {
		c.Errorf("the tagger is %+v, want A, about now", info.Annotated.Tagger)
	}
}

func tagNamesCommit(c *tc) {
	r := c.createWith(create("a", "1"))
	first := r.head()
	annotated, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head(), Message: "One"})
	c.ok(err)
	r.commit(update("a", "2"))
	for i, target := range []git.Revision{git.AtCommit(first), revision("v1"), git.AtCommit(annotated.Ref.Target)} {
		light, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag(fmt.Sprintf("light%d", i)), Target: target})
		c.ok(err)
		c.equal("the target of a light tag of "+target.String(), light.Ref.Target, first)
		heavy, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag(fmt.Sprintf("heavy%d", i)), Target: target, Message: "Tag"})
		c.ok(err)
		c.equal("the target of an annotated tag of "+target.String(), heavy.Annotated.Target, first)
	}
}

func existingTagIsTold(c *tc) {
	r := c.createWith(create("a", "1"))
	info, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head(), Message: "One"})
	c.ok(err)
	r.unchanged(func() {
		for _, message := range []string{"", "One"} {
			_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head(), Message: message})
			c.fails(err, errs.ReasonRefExists, errs.MetaRef, "refs/tags/v1", errs.MetaActual, info.Ref.Target.String())
		}
	})
}

func tagNamesConflict(c *tc) {
	r := c.createWith(create("a", "1"))
	_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("shop/v1"), Target: git.Head()})
	c.ok(err)
	r.unchanged(func() {
		for _, name := range []string{"shop", "shop/v1/x"} {
			_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag(name), Target: git.Head(), Message: "Tag"})
			c.fails(err, errs.ReasonRefConflict, errs.MetaRef, "refs/tags/"+name)
		}
	})
	_, err = r.CreateTag(c.ctx, ports.CreateTag{Name: tag("main/x"), Target: git.Head()})
	c.ok(err)
}

// badMessages are messages that Git could not store or GitStore does not take.
var badMessages = map[string]string{
	"blank": " \n\t ", "with NUL": "a\x00b", "not UTF-8": "caf\xe9", "too long": strings.Repeat("x", 256<<10+1),
}

// badSignatures are people that Git could not store, or not as they are.
func badSignatures() map[string]git.Signature {
	when := time.Unix(epoch, 0)
	return map[string]git.Signature{
		"without an email": {Name: "A", When: when}, "without a name": {Email: "a@example.com", When: when},
		"of spaces":             {Name: " ", Email: "a@example.com", When: when},
		"with a line break":     {Name: "A\nB", Email: "a@example.com", When: when},
		"with NUL":              {Name: "A", Email: "a\x00@example.com", When: when},
		"with <":                {Name: "A <b", Email: "a@example.com", When: when},
		"with >":                {Name: "A", Email: "a@example.com>", When: when},
		"that is not UTF-8":     {Name: "J\xf6rg", Email: "a@example.com", When: when},
		"longer than 512 bytes": {Name: strings.Repeat("a", 513), Email: "a@example.com", When: when},
		"before 1970":           {Name: "A", Email: "a@example.com", When: time.Unix(-1, 0)},
		"after 9999":            {Name: "A", Email: "a@example.com", When: time.Date(10_000, 2, 1, 0, 0, 0, 0, time.UTC)},
	}
}

func badTagsAreRefused(c *tc) {
	r := c.createWith(create("a", "1"))
	r.unchanged(func() {
		for what, message := range badMessages {
			c.sub("a message "+what, func(c *tc) {
				_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("t"), Target: git.Head(), Message: message})
				c.fails(err, errs.ReasonInvalidMessage, errs.MetaField, "message")
			})
		}
		for what, tagger := range badSignatures() {
			c.sub("a tagger "+what, func(c *tc) {
				_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("t"), Target: git.Head(), Message: "Tag", Tagger: tagger})
				c.fails(err, errs.ReasonInvalidSignature, errs.MetaField, "tagger")
			})
		}
		_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("t"), Target: git.Head(), Tagger: ada(epoch)})
		c.fails(err, errs.ReasonInvalidMessage, errs.MetaField, "message")
		for _, name := range badNames("refs/tags/") {
			_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: refName(name), Target: git.Head()})
			c.fails(err, errs.ReasonInvalidRefName)
		}
		_, err = r.CreateTag(c.ctx, ports.CreateTag{Target: git.Head()})
		c.fails(err, errs.ReasonInvalidRefName)
		for _, name := range []string{"refs/heads/t", "refs/notes/t"} {
			_, err := r.CreateTag(c.ctx, ports.CreateTag{Name: refName(name), Target: git.Head()})
			c.fails(err, errs.ReasonRefNotWritable)
		}
	})
}

func tagIsDeleted(c *tc) {
	r := c.createWith(create("a", "1"))
	head := r.head()
	info, err := r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head(), Message: "One"})
	c.ok(err)
	r.unchanged(func() {
		for _, id := range []git.ObjectID{head, c.unknownID(), {}} {
			err := r.DeleteTag(c.ctx, ports.DeleteRef{Name: tag("v1"), Expected: git.ExpectID(id)})
			c.fails(err, errs.ReasonRefMoved, errs.MetaRef, "refs/tags/v1", errs.MetaExpected, id.String(), errs.MetaActual, info.Ref.Target.String())
		}
		c.fails(r.DeleteTag(c.ctx, ports.DeleteRef{Name: tag("none")}), errs.ReasonRefNotFound, errs.MetaRef, "refs/tags/none")
		c.fails(r.DeleteTag(c.ctx, ports.DeleteRef{Name: tag("main")}), errs.ReasonRefNotFound, errs.MetaRef, "refs/tags/main")
		for _, name := range []git.RefName{mainBranch(), refName("refs/notes/commits"), {}} {
			c.failsWithin(r.DeleteTag(c.ctx, ports.DeleteRef{Name: name}), errs.ReasonRefNotWritable, errs.ReasonInvalidRefName)
		}
	})
	c.ok(r.DeleteTag(c.ctx, ports.DeleteRef{Name: tag("v1"), Expected: git.ExpectID(info.Ref.Target)}))
	_, err = r.ResolveRevision(c.ctx, revision("v1"))
	c.fails(err, errs.ReasonRefNotFound)
	_, err = r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v1"), Target: git.Head()})
	c.ok(err)
	c.ok(r.DeleteTag(c.ctx, ports.DeleteRef{Name: tag("v1")}))
}

// tagged makes a repository with light tags of the names, in another order.
func (c *tc) tagged(tags ...string) *repo {
	c.Helper()
	r := c.createWith(create("a", "1"))
	head := r.head()
	var updates []git.RefUpdate
	for _, name := range slices.Backward(tags) {
		updates = append(updates, git.RefUpdate{Name: tag(name), Expected: git.ExpectAbsent(), New: head})
	}
	for part := range slices.Chunk(updates, ports.MaxRefUpdates) {
		_, err := r.UpdateRefs(c.ctx, part)
		c.ok(err)
	}
	return r
}

// orderedTags are tags as they have to be listed: semver.org, item 11.
var orderedTags = []string{
	"v10.0.0", "2.0.0", "v1.10.0", "v1.9.0", "1.0.1+build.2", "1.0.1+build.10", "v1.0.1", "1.0.0", "v1.0.0",
	"v1.0.0-rc.1", "v1.0.0-beta.11", "v1.0.0-beta.2", "v1.0.0-beta", "v1.0.0-alpha.beta", "v1.0.0-alpha.1", "v1.0.0-alpha", "v0.9.9",
	"01.2.3", "1.2", "V3.0.0", "alpha", "release/v4.0.0", "v1.2.3.4", "vv1.0.0", "zeta",
}

func short(infos []ports.TagInfo) []string {
	list := make([]string, len(infos))
	for i, info := range infos {
		list[i] = info.Ref.Name.Short()
	}
	return list
}

func tagsAreOrdered(c *tc) {
	want := slices.Clone(orderedTags)
	// Build metadata does not count: these are equal, and so ordered by the bytes of their names.
	i := slices.Index(want, "1.0.1+build.2")
	copy(want[i:], []string{"1.0.1+build.10", "1.0.1+build.2", "v1.0.1"})
	r := c.tagged(want...)
	page, err := r.ListTags(c.ctx, ports.Page{})
	c.ok(err)
	c.equal("the tags", short(page.Items), want)
	c.equal("the next page", page.NextToken, "")
	for _, info := range page.Items {
		name := info.Ref.Name.Short()
		version := strings.TrimPrefix(name, "v")
		if slices.Index(want, name) > slices.Index(want, "v0.9.9") {
			version = ""
		}
		c.equal("the version of "+name, info.Version, version)
		c.equal("whether "+name+" is a pre-release", info.Prerelease, strings.Contains(version, "-"))
	}
}

func tagsAreDescribed(c *tc) {
	r, w := c.readSample()
	page, err := r.ListTags(c.ctx, ports.Page{})
	c.ok(err)
	c.equal("the order", short(page.Items), []string{"v2.0.0", "v1.0.0", "light", "outer", "outermost", "readme", "same"})
	for _, info := range page.Items {
		name := info.Ref.Name.Short()
		c.equal("the ref of "+name, info.Ref, sampleRefs(w)[slices.IndexFunc(sampleRefs(w), func(ref git.Ref) bool { return ref.Name == tag(name) })])
		i := slices.IndexFunc(sample.tags, func(t fixtureTag) bool { return t.name == name })
		if i < 0 {
			c.equal("whether "+name+" is light", info.Annotated == nil, true)
			continue
		}
		content := fmt.Sprintf("object %s\ntype %s\ntag %s\ntagger %s\n\n%s",
			info.Annotated.Target, info.Annotated.TargetType, name, sample.tags[i].tagger, sample.tags[i].message)
		c.equal("the tag object of "+name, info.Annotated, must(git.DecodeTag(w.tags[name], []byte(content))))
		c.equal("the id of "+name, c.format.HashObject(git.TagObject, []byte(content)), w.tags[name])
	}
}

func tagsArePaged(c *tc) {
	r := c.tagged(orderedTags...)
	whole, err := r.ListTags(c.ctx, ports.Page{})
	c.ok(err)
	for _, size := range []int{1, 2, 7, len(orderedTags) - 1, len(orderedTags), len(orderedTags) + 1} {
		var got []ports.TagInfo
		next := ports.Page{Size: size}
		for {
			page, err := r.ListTags(c.ctx, next)
			c.ok(err)
			got = append(got, page.Items...)
			if next.Token = page.NextToken; next.Token == "" || len(got) > len(orderedTags) {
				break
			}
			c.equal("the size of a page that is not the last", len(page.Items), size)
		}
		c.equal(fmt.Sprintf("the pages of %d together", size), got, whole.Items)
	}
	empty, err := c.create().ListTags(c.ctx, ports.Page{})
	c.ok(err)
	c.equal("the only page of an empty repository", empty, ports.TagPage{})
}

func tagPagesHaveLimits(c *tc) {
	tags := make([]string, ports.MaxPageSize+1)
	for i := range tags {
		tags[i] = fmt.Sprintf("v1.%d.0", len(tags)-i)
	}
	r := c.tagged(tags...)
	for requested, want := range map[int]int{
		0: ports.DefaultPageSize, ports.DefaultPageSize: ports.DefaultPageSize,
		ports.MaxPageSize: ports.MaxPageSize, ports.MaxPageSize + 1: ports.MaxPageSize, 1 << 30: ports.MaxPageSize,
	} {
		page, err := r.ListTags(c.ctx, ports.Page{Size: requested})
		c.ok(err)
		c.equal(fmt.Sprintf("the page of %d", requested), short(page.Items), tags[:want])
		rest, err := r.ListTags(c.ctx, ports.Page{Size: ports.MaxPageSize, Token: page.NextToken})
		c.ok(err)
		c.equal("the page behind", short(rest.Items), tags[want:])
		c.equal("the token of the last page", rest.NextToken, "")
	}
}

func largeTagsArePaged(c *tc) {
	r := c.tagged("light")
	var want []ports.TagInfo
	for i := range 20 {
		info, err := r.CreateTag(c.ctx, ports.CreateTag{
			Name: tag(fmt.Sprintf("v%d.0.0", 20-i)), Target: git.Head(), Message: strings.Repeat("x", 255<<10) + fmt.Sprint(i),
		})
		c.ok(err)
		want = append(want, info)
	}
	var got []ports.TagInfo
	var next ports.Page
	for len(got) < len(want)+1 {
		page, err := r.ListTags(c.ctx, next)
		c.ok(err)
		size := 0
		for _, info := range page.Items {
			size += info.Size()
		}
		c.equal("whether the page is within the limit", size <= ports.MaxTagPage, true)
		got = append(got, page.Items...)
		if next.Token = page.NextToken; next.Token == "" {
			break
		}
		c.equal("whether the next tag had room", size+want[len(got)].Size() <= ports.MaxTagPage, false)
	}
	c.equal("the token of the last page", next.Token, "")
	c.equal("the tags of all pages", short(got), append(short(want), "light"))
	c.equal("the annotated ones", got[:len(want)], want)
}

func tagPagesFollowChanges(c *tc) {
	r := c.tagged("v4.0.0", "v3.0.0", "v2.0.0", "v1.0.0")
	first, err := r.ListTags(c.ctx, ports.Page{Size: 2})
	c.ok(err)
	_, err = r.CreateTag(c.ctx, ports.CreateTag{Name: tag("v5.0.0"), Target: git.Head()})
	c.ok(err)
	second, err := r.ListTags(c.ctx, ports.Page{Size: 2, Token: first.NextToken})
	c.ok(err)
	c.equal("the second page after a tag before it", short(second.Items), []string{"v2.0.0", "v1.0.0"})
	c.ok(r.DeleteTag(c.ctx, ports.DeleteRef{Name: tag("v5.0.0")}))
	c.ok(r.DeleteTag(c.ctx, ports.DeleteRef{Name: tag("v3.0.0")}))
	second, err = r.ListTags(c.ctx, ports.Page{Size: 2, Token: first.NextToken})
	c.ok(err)
	c.equal("the second page without the last tag of the first", short(second.Items), []string{"v2.0.0", "v1.0.0"})
}

func badPagesOfTagsAreRefused(c *tc) {
	r, other := c.tagged("v1.0.0", "v2.0.0"), c.tagged("v1.0.0", "v2.0.0")
	_, err := r.ListTags(c.ctx, ports.Page{Size: -1})
	c.fails(err, errs.ReasonInvalidPageSize, errs.MetaField, "page_size")
	of, err := other.ListTags(c.ctx, ports.Page{Size: 1})
	c.ok(err)
	repositories, err := c.store.ListRepositories(c.ctx, ports.Page{Size: 1})
	c.ok(err)
	for _, token := range []string{"x", "refs/tags/v1.0.0", strings.Repeat("A", 10_000), of.NextToken, of.NextToken + "A", repositories.NextToken} {
		_, err := r.ListTags(c.ctx, ports.Page{Token: token})
		c.fails(err, errs.ReasonInvalidPageToken, errs.MetaField, "page_token")
	}
}

func latestTagOfRange(c *tc) {
	r := c.tagged("v2.0.0-rc.1", "v1.4.2", "1.4.10", "v1.3.0", "v0.9.0", "nightly", "v9")
	all, err := r.ListTags(c.ctx, ports.Page{})
	c.ok(err)
	for _, q := range []struct {
		limits      string
		prereleases bool
		want        string
	}{
		{"", false, "1.4.10"},
		{"", true, "v2.0.0-rc.1"},
		{">=1.2 <1.4", false, "v1.3.0"},
		{">=1.2, <1.4", false, "v1.3.0"},
		{"^1.3", false, "1.4.10"},
		{"~1.4.2", false, "1.4.10"},
		{"<1.4.10", false, "v1.4.2"},
		{"1.4.2", false, "v1.4.2"},
		{"=1.4.2", false, "v1.4.2"},
		{"1.x", false, "1.4.10"},
		{"<1", false, "v0.9.0"},
		{"<1 || ^1.3 <1.4", false, "v1.3.0"},
		{">=1", true, "v2.0.0-rc.1"},
	} {
		info, err := r.LatestTag(c.ctx, ports.LatestTagQuery{Range: q.limits, Prereleases: q.prereleases})
		c.ok(err)
		i := slices.IndexFunc(all.Items, func(info ports.TagInfo) bool { return info.Ref.Name == tag(q.want) })
		c.equal(fmt.Sprintf("the latest of %q", q.limits), info, all.Items[i])
	}
	c.sub("an annotated tag", func(c *tc) {
		r, w := c.readSample()
		info, err := r.LatestTag(c.ctx, ports.LatestTagQuery{Range: "1"})
		c.ok(err)
		c.equal("the tag object", info.Annotated.ID, w.tags["v1.0.0"])
	})
}

func latestTagOfNothing(c *tc) {
	r := c.tagged("v1.0.0-rc.1", "nightly", "v2")
	for _, limits := range []string{"x.y", ">=", "1.2.3.4", "^^1", "latest", strings.Repeat("1 ", 5000), ">1 ||| <2"} {
		_, err := r.LatestTag(c.ctx, ports.LatestTagQuery{Range: limits})
		c.fails(err, errs.ReasonInvalidVersionRange, errs.MetaField, "range")
	}
	for _, q := range []ports.LatestTagQuery{{}, {Range: ">=1"}, {Range: ">1", Prereleases: true}, {Range: "<1 >2", Prereleases: true}} {
		_, err := r.LatestTag(c.ctx, q)
		c.fails(err, errs.ReasonRefNotFound)
	}
	_, err := c.create().LatestTag(c.ctx, ports.LatestTagQuery{Prereleases: true})
	c.fails(err, errs.ReasonRefNotFound)
}

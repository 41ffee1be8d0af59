package httpapi

import (
	"maps"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gitstore-dev/gitstore/domain/errs"
)

// schemaDescriptions says what the values of the document's schemas are.
var schemaDescriptions = map[string]string{
	"Action":                    "A change of one file in a commit.",
	"Branch":                    "A branch.",
	"Catalog":                   "What an API knows of the catalog that it keeps of a repository.",
	"Category":                  "A category, as lists have it.",
	"CategoryInput":             "What a category is written with. A patch has what changes alone.",
	"CategoryRef":               "A category, in short.",
	"Changes":                   "Changes of documents that make one commit.",
	"ChangesResult":             "The commit of changed documents.",
	"Collection":                "A collection: products in an order that is chosen.",
	"CollectionInput":           "What a collection is written with. A patch has what changes alone.",
	"Commit":                    "A commit.",
	"CommitPageCategory":        "A page of categories, of one commit.",
	"CommitPageCollection":      "A page of collections, of one commit.",
	"CommitPageDocument":        "A page of documents, of one commit.",
	"CommitPageDocumentProblem": "A page of the problems of a catalog, of one commit.",
	"CommitPageProduct":         "A page of products, of one commit.",
	"CommitResult":              "A commit that was made.",
	"Comparison":                "How the files of two commits differ.",
	"DiffPage":                  "A page of the documents in which two catalogs differ.",
	"Document":                  "A document of any kind: what all have in common.",
	"DocumentChange":            "A change of one document.",
	"DocumentDiff":              "How a document differs between two catalogs.",
	"DocumentInput":             "What a document of a kind of the catalog's own is written with. A patch has what changes alone.",
	"DocumentProblem":           "Something that is wrong with a document.",
	"Failure":                   "An error of something that goes on in the service.",
	"FieldDiff":                 "How a field of a document differs.",
	"FileDiff":                  "How a file differs.",
	"GraphqlAnswer":             "An answer to a request by GraphQL.",
	"GraphqlError":              "An error of an answer of GraphQL.",
	"GraphqlRequest":            "A request as the specification of GraphQL over HTTP has it.",
	"Health":                    "The process is alive.",
	"Image":                     "An image of a product.",
	"Lfs":                       "An error as Git LFS has it.",
	"Link":                      "A link of a product.",
	"ListBranch":                "A page of branches.",
	"ListCommit":                "A page of commits.",
	"ListRelease":               "A page of releases.",
	"ListRepository":            "A page of repositories.",
	"ListTag":                   "A page of tags.",
	"Moved":                     "A release tag that was moved or deleted.",
	"NewBranch":                 "A branch to create.",
	"NewCommit":                 "A commit to make: where, why, and what changes.",
	"NewPolicy":                 "What a repository takes; what is left out is off or none.",
	"NewRelease":                "A release to make.",
	"NewRepository":             "A repository to create.",
	"NewSignature":              "Who does something, and when.",
	"NewTag":                    "A tag to create.",
	"Policy":                    "What a repository takes.",
	"Problem":                   "An error (RFC 9457).",
	"Product":                   "A product.",
	"ProductInput":              "What a product is written with. A patch has what changes alone.",
	"Release":                   "A release: a tag that is a Semantic Version.",
	"Reload":                    "What it took to load a commit.",
	"Repository":                "A repository.",
	"Rollback":                  "A release to make of what an older one has.",
	"Signature":                 "Who did something, and when.",
	"Tag":                       "A tag.",
	"Tree":                      "A page of what a directory has.",
	"TreeEntry":                 "A file, directory or the like of a tree.",
	"WholeCategory":             "A category, with those around it.",
	"WrittenDocument":           "What a change did to a document.",
}

// groupDescriptions says what the operations of a group are about.
var groupDescriptions = map[string]string{
	"Repositories": "Repositories, and what they take.",
	"Files":        "The files of a commit, one by one, and the directories that they are in.",
	"Commits":      "Commits of many files at once, history, and comparisons.",
	"Branches":     "Branches.",
	"Tags":         "Tags, light and annotated.",
	"Catalog":      "The products, categories, collections and other documents of a catalog, to query and to change.",
	"Releases":     "Releases of a catalog: to make, compare and roll back.",
	"GraphQL":      "The catalog by GraphQL.",
	"Events":       "What changes, as it does.",
	"Git":          "The protocol of git clients.",
	"Service":      "The service itself: its health, its metrics and its documentation.",
}

// describeSchemas adds what the types of Go do not say. Every reason of a problem is listed with its usual status and its meaning, but not
// as an enum, since there may be more of them one day.
func describeSchemas(schemas map[string]*huma.Schema) {
	for name, s := range schemas {
		s.Description = schemaDescriptions[name]
	}
	reason := schemas["Problem"].Properties["reason"]
	meanings := map[errs.Reason]string{}
	for _, d := range reasonDocs() {
		meanings[d.Reason] = strconv.Itoa(d.Status) + ": " + d.Meaning
	}
	reason.Extensions = map[string]any{
		"x-extensible-enum": slices.Sorted(maps.Keys(meanings)), "x-enumDescriptions": meanings,
	}
}

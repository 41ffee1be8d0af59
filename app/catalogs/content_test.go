package catalogs_test

import "github.com/gitstore-dev/gitstore/app/catalogs"

// content returns what the catalog holds, by path.
func content(c *catalogs.Catalog) map[string]string { return c.Snapshot.Docs }

package catalogs_test

import (
	"github.com/gitstore-dev/gitstore/app/catalogs"
	"github.com/gitstore-dev/gitstore/domain/catalog"
)

// content returns the products that the catalog holds as they are written, by path.
func content(c *catalogs.Catalog) map[string]string {
	all := map[string]string{}
	for d := range c.Snapshot.List(catalog.KindProduct, "") {
		all[d.Path.String()] = "---\n" + d.Source + "---\n" + d.Body
	}
	return all
}

// Package storefront is a small application on GitStore: it shows products, and lets their prices be changed. Its test
// runs it against real containers.
package storefront

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Storefront shows the catalog of one repository.
type Storefront struct {
	// API is the address of any replica of gitstore-api, such as "http://127.0.0.1:8080".
	API string
	// Repository is the id of the repository.
	Repository string
	// Client makes the requests.
	Client *http.Client
}

// Product is what the storefront shows.
type Product struct {
	ID, Title, Price string
	// Category is the id of the category that it is in.
	Category string
}

// Publish writes a product as one commit. It returns the cursor behind the change: whoever has it reads the product as it
// was written, through any replica.
func (s Storefront) Publish(ctx context.Context, p Product) (cursor string, err error) {
	front, err := json.Marshal(map[string]any{ // JSON is YAML
		"id": p.ID, "sku": p.ID, "slug": p.ID, "title": p.Title, "category": p.Category,
		"price": p.Price, "currency": "EUR", "status": "active", "inventory_status": "in_stock",
	})
	if err != nil {
		return "", err
	}
	target := s.url("/files/products/"+url.PathEscape(p.ID)+".md", url.Values{"message": {"Publish " + p.ID}})
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target, bytes.NewReader(fmt.Appendf(nil, "---\n%s\n---\n", front)))
	if err != nil {
		return "", err
	}
	_, header, err := s.do(req)
	return header.Get("GitStore-Cursor"), err
}

// Product reads a product, from a state that has all that happened up to the cursor; an empty one asks for nothing.
func (s Storefront) Product(ctx context.Context, id, cursor string) (Product, error) {
	query := url.Values{}
	if cursor != "" {
		query.Set("min_cursor", cursor)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url("/catalog/products/"+url.PathEscape(id), query), nil)
	if err != nil {
		return Product{}, err
	}
	body, _, err := s.do(req)
	if err != nil {
		return Product{}, err
	}
	var p Product
	return p, json.Unmarshal(body, &p)
}

func (s Storefront) url(path string, query url.Values) string {
	return s.API + "/v1/repositories/" + url.PathEscape(s.Repository) + path + "?" + query.Encode()
}

// Refused is an answer that is a problem: see docs/errors.md for the reasons.
type Refused struct {
	Status         int
	Reason, Detail string
}

func (r *Refused) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Reason, r.Detail) }

func (s Storefront) do(req *http.Request) ([]byte, http.Header, error) {
	resp, err := s.Client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		refused := &Refused{Status: resp.StatusCode}
		_ = json.Unmarshal(body, refused) // what is not a problem of GitStore has a status at least
		err = refused
	}
	return body, resp.Header, err
}

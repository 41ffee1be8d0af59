// Package gitstore is the client of GitStore's HTTP API that a stock generator makes of the document at /openapi.json. Its code is
// made by the test that uses it, and not kept.
package gitstore

import _ "github.com/oapi-codegen/runtime" // the generated code needs it; here it is pinned

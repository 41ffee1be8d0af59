// Package gitstoretest gives the integration tests of an application a GitStore of their own, in containers: the same
// images that are deployed, with a ready client.
//
//	func TestOrders(t *testing.T) {
//		store := gitstoretest.Run(t.Context(), t, gitstoretest.WithReplicas(1))
//		_, err := store.CreateRepository(t.Context(), ports.CreateRepository{ID: shop})
//		…
//		resp, err := http.Get(store.API(0).URL() + "/v1/repositories/shop")
//	}
//
// Containers, network and volume belong to the test and are removed when it ends. If it fails, the end of each
// container's log is in its output.
//
// # What it needs
//
// A Docker Engine, and the images. They are called gitstore-git-service and gitstore-api; their tag is in
// GITSTORE_IMAGE_TAG, else it is "dev", which is what `make images` builds. What is missing fails the test and is named:
// nothing is skipped. Where testcontainers' reaper image cannot be pulled, set TESTCONTAINERS_RYUK_DISABLED=true; a test
// that is killed then leaves its containers behind.
package gitstoretest

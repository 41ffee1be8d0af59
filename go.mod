module github.com/gitstore-dev/gitstore

go 1.26.0

module prunella.local/hack/images/shop

go 1.24

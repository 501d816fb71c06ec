"""The templates of the Helm chart, made from the manifests that kustomize reads."""

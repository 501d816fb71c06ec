"""The kubectl plugin for krew: prunella-client with its pinned packages in an archive, and the manifest."""

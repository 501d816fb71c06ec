"""`python hack/monitoring` writes what is generated below manifests/monitoring: dashboards, and the rules once more."""

from boards.write import write_all

if __name__ == "__main__":
    write_all()

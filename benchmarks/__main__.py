"""`make bench`: run every benchmark and print what it found."""

from benchmarks import kit, ledger, manifest, pace


def main() -> None:
    for part in (ledger, pace, manifest, kit):
        print(f"\n{part.__doc__.splitlines()[0]}")
        part.run()


if __name__ == "__main__":
    main()

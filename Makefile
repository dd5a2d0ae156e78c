# SPDX-License-Identifier: MIT
# make vmtest KERNEL=6.1   boot a kernel and compare the transports
# make results             what an event costs on every kernel: docs/results
# make test                all tests; boots kernels
# make faults              break everything at random times: SEED, RUNS, ONLY
KERNEL ?= 6.1
PLAN   ?= quick
# What makes the machines: qemu, or vng for virtme-ng.
VM     ?= qemu
# What time is: wall, virtual, which counts instructions, or auto, what the machine has a use of.
CLOCK  ?= auto
SEED   ?= 1
RUNS   ?= 20
ONLY   ?=
# The kernels whose functions docs/why.md compares.
FUNCTIONS_OF ?= 5.10 6.1 6.12 6.16 6.18 7.0 7.3
# The kernels whose lock docs/contention.md counts.
CONTENTION_OF ?= 5.10 6.12 6.18 7.3
# Static, so that machines need no libraries: any other build boots with its own.
export CGO_ENABLED = 0

# A pipe fails if any of its commands does.
SHELL = /bin/bash
.SHELLFLAGS = -o pipefail -c

.PHONY: all build deps vmtest results test faults bench fuzz generate check-generated lint vulncheck release release-snapshot clean portable

all: build

build:
	go build -trimpath -ldflags='-s -w' -o bin/ringtwin ./cmd/ringtwin

# All that any target needs; each installs its own part of it first.
deps:
	@scripts/setup.sh --list
	@scripts/setup.sh

vmtest:
	@scripts/setup.sh vmtest $(VM:qemu=)
	@$(MAKE) --no-print-directory build
	bin/ringtwin vmtest $(KERNEL) --plan $(PLAN) --vm $(VM) --clock $(CLOCK) $(ARGS)

# What an event costs on every kernel of the archive, and what producers share, into
# docs/results. As root, for the rates of this machine.
results:
	@scripts/setup.sh vmtest
	@$(MAKE) --no-print-directory build
	bin/ringtwin vmtest all --plan gate --clock virtual --out out/results
	bin/ringtwin report --publish docs/results out/results/latest/results.jsonl
	bin/ringtwin vmtest $(FUNCTIONS_OF) --plan costs --clock virtual --profile --out out/costs || test $$? -eq 3 # old kernels lack transports
	bin/ringtwin report --functions docs/results/functions.jsonl out/costs/latest/results.jsonl >out/costs/report.txt
	bin/ringtwin vmtest $(CONTENTION_OF) --plan contention --clock wall --cpus 16 --profile --out out/contention
	bin/ringtwin vmtest 6.18 --plan contention --set payload_bytes=64,256 --set producers=1,2 --set ring_bytes_each=2097152 --clock wall --cpus 3 --profile --out out/payloads
	bin/ringtwin run --plan contention --set batch=50 --set events=200000 --set ring_bytes_each=67108864 \
		--set payload_bytes=8,64,256 --set producers=1,2 --blocks 5 --out out/native
	bin/ringtwin report out/contention/latest/results.jsonl out/payloads/latest/results.jsonl out/native/latest/results.jsonl \
		--contention docs/results/contention.jsonl >out/contention/report.txt
	go test -run '^TestGenerated$$|^TestContentionChart$$' ./docs -update

# Each test when it is over, but for those that take no time; at the end what was skipped,
# and why. -count=1: half of what is tested is the machine. The time limit ends a hang.
test:
	@scripts/setup.sh vmtest vng test faults browser bpftool
	go tool gotestsum --format testname --format-icons text --hide-summary output -- \
		-count=1 -p 2 -parallel 2 -timeout 60m ./... | \
		grep --line-buffered -v '^PASS .*(0\.0[0-9]s)'

faults:
	@scripts/setup.sh vmtest faults
	@mkdir -p out
	@rm -rf out/faults out/faults.md
	(cd internal/faults && go test -count=1 -parallel 100 -timeout 45m -args -faults.timed -faults.seed=$(SEED) -faults.runs=$(RUNS) \
		-faults.only='$(ONLY)' -faults.table=$(CURDIR)/out/faults.md -faults.keep=$(CURDIR)/out/faults); \
		code=$$?; cat out/faults.md; exit $$code

bench:
	@scripts/setup.sh vmtest vng
	go test -run '^$$' -bench . -benchtime 5x -timeout 30m ./...

# Every parser of what comes from outside, for a minute each.
FUZZTIME ?= 60s
fuzz:
	@scripts/fuzz.sh $(FUZZTIME)

# BPF objects, the workload and the schema. The compiler is pinned: see the script.
generate:
	@scripts/setup.sh generate
	go generate ./...
	go test -run '^TestSchema$$' ./harness/record -update

check-generated: generate
	git diff --exit-code -- '*.o' '*.elf' '*.so' '*_bpfel.go' docs/trial-v1.schema.json

# Not a tool of go.mod: it is written for a candidate of yaml v4 that the program's release
# of it is not compatible with.
ACTIONLINT = github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

lint:
	@scripts/setup.sh lint
	test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	go mod tidy -diff
	go vet ./...
	go vet -tags faults ./vmtest/guest
	go tool staticcheck ./...
	go tool staticcheck -tags faults ./vmtest/guest
	go build -o bin/lint ./internal/lint
	go vet -vettool=$(CURDIR)/bin/lint ./...
	go vet -vettool=$(CURDIR)/bin/lint -tags faults ./vmtest/guest
	go tool unparam ./...
	shellcheck scripts/*.sh scripts/ci/*.sh .ci/run
	@scripts/setup.sh --list | while read -r line; do \
		grep -qxF "$$line" docs/install.md || { echo "docs/install.md does not list: $$line"; exit 1; }; done
	go run $(ACTIONLINT)

# Results are read on laptops, and another architecture must fail with an error and not with
# a build.
portable:
	GOOS=darwin go build ./harness/record ./harness/verdict ./harness/report
	GOOS=windows go build ./harness/record ./harness/verdict ./harness/report
	GOARCH=arm64 go vet ./...

# Known vulnerabilities in what is called of our dependencies. Not a part of lint: its
# database is on the network.
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
vulncheck:
	go run $(GOVULNCHECK) ./... || { \
		echo "vulncheck: that is a vulnerability, or https://vuln.go.dev is not reachable, which it needs" >&2; exit 1; }

# What a release would be, in dist; and the release of a tag, which is then published by
# release.yml. It takes minutes to build goreleaser. The version is the newest that Go 1.26
# builds and that could be tried.
GORELEASER = github.com/goreleaser/goreleaser/v2@v2.16.0
release-snapshot:
	go run $(GORELEASER) release --snapshot --clean
	scripts/check-release.sh dist
release:
	go run $(GORELEASER) release --clean --skip=publish
	scripts/check-release.sh dist

clean:
	rm -rf bin out dist

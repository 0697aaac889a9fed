# The image of Tagboat: the binary, git for pushing, ssh for repositories over SSH, and certificate authorities.
#
#   docker build --tag tagboat .
#   docker buildx build --platform linux/amd64,linux/arm64 --tag tagboat .
#
# Runs as user 65532 with nothing writable but what is mounted: a cache at /var/cache/tagboat, and scratch space at /tmp.

# Both bases are tags without digests on purpose: whoever builds gets Debian's security updates of that day, and no digest here
# could say which. A release labels its image with the digest of the base that it was built on, and attests the whole.
FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock LICENSE-MIT LICENSE-APACHE README.md ./
COPY src src
COPY config config
COPY benches benches
COPY fuzz fuzz
COPY tests/it/main.rs tests/it/main.rs
COPY tests/real/main.rs tests/real/main.rs
RUN cargo build --locked --release --bin tagboat

FROM docker.io/library/debian:bookworm-slim
LABEL org.opencontainers.image.title="Tagboat" \
      org.opencontainers.image.description="Tows new container images into Git" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
RUN apt-get -qq update \
 && apt-get -qq install --yes --no-install-recommends ca-certificates git openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 65532 -g 65532 /var/cache/tagboat \
 && printf 'tagboat:x:65532:65532::/var/cache/tagboat:/usr/sbin/nologin\n' >>/etc/passwd \
 && printf 'tagboat:x:65532:\n' >>/etc/group
COPY --from=build /src/target/release/tagboat /usr/local/bin/tagboat
# What the component of GitLab's CI calls: inputs as variables.
COPY action/run.sh /usr/local/bin/tagboat-step
COPY --from=build /src/LICENSE-MIT /src/LICENSE-APACHE /usr/share/doc/tagboat/
# `serve` frees in one thread what another took: two arenas keep a third less memory than one for each thread (docs/performance.md).
ENV TAGBOAT_CACHE=/var/cache/tagboat/cache.db MALLOC_ARENA_MAX=2
USER 65532:65532
WORKDIR /var/cache/tagboat
EXPOSE 8080
ENTRYPOINT ["tagboat"]
CMD ["--help"]

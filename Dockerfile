# floodmark as a container: built from source, run as a user without rights.
#
# Both base images can be replaced, where the usual ones cannot be pulled:
#   docker build --build-arg BUILD_BASE=... --build-arg RUN_BASE=... -t floodmark .
ARG BUILD_BASE=rust:1.95-bookworm
ARG RUN_BASE=debian:bookworm-slim

FROM ${BUILD_BASE} AS build
# librdkafka and OpenSSL are compiled along: a C++ compiler, make and perl are all they ask for.
RUN { command -v g++ && command -v make && command -v perl; } >/dev/null || \
    { apt-get update && apt-get install -y --no-install-recommends g++ make perl && rm -rf /var/lib/apt/lists/*; }
WORKDIR /src
COPY . .
# What `--version` tells, as `.git` is not copied: docker build --build-arg COMMIT="$(git rev-parse --short HEAD)" .
ARG COMMIT=
ENV FLOODMARK_COMMIT=${COMMIT}
# `dist` is `release`, optimised over all crates and without tables for debuggers; it takes longer to build.
RUN cargo build --profile dist --locked --package floodmark-cli && \
    install -D target/dist/floodmark /out/bin/floodmark
# The folders are those from which the shells of Debian load completions by themselves.
RUN mkdir -p /out/share/bash-completion/completions /out/share/zsh/vendor-completions /out/share/fish/vendor_completions.d && \
    /out/bin/floodmark completions bash > /out/share/bash-completion/completions/floodmark && \
    /out/bin/floodmark completions zsh > /out/share/zsh/vendor-completions/_floodmark && \
    /out/bin/floodmark completions fish > /out/share/fish/vendor_completions.d/floodmark.fish

FROM ${RUN_BASE}
RUN useradd --system --uid 10001 --create-home --home-dir /work floodmark
COPY --from=build /out/bin/floodmark /usr/local/bin/floodmark
COPY --from=build /out/share /usr/share
# Clients of a registry load the authorities before they know whether its address is https.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY profiles /usr/local/share/floodmark/profiles
ARG COMMIT=
LABEL org.opencontainers.image.title=floodmark org.opencontainers.image.licenses="Apache-2.0 OR MIT" \
    org.opencontainers.image.revision=${COMMIT}
USER 10001
WORKDIR /work
ENTRYPOINT ["floodmark"]
CMD ["--help"]

# escape=`
FROM `
  ghcr.io/acme/web:1.4.0 `
  AS base
# tagboat: ignore
FROM ghcr.io/acme/web:1.4.0
COPY <<-EOF /x
FROM ghcr.io/acme/web:1.4.0
	EOF
FROM ghcr.io/acme/web:1.4.0
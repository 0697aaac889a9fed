# tagboat: image=ghcr.io/acme/web semver=1.x
run web 1.5

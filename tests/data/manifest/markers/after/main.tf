locals {
  image = "ghcr.io/acme/web:1.5.0" # tagboat: semver=1.x
  other = "ghcr.io/acme/web:1.4.0"
  third = "ghcr.io/acme/web:1.5.0" // tagboat: semver=1.x
}

job "web" {
  task "web" {
    config {
      image = "ghcr.io/acme/web:1.4.0"
    }
  }
  task "cache" { config { image = "docker://redis:7.4.1" } }
}
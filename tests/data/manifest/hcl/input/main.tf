# image = "ghcr.io/acme/web:1.4.0"
/* image = "ghcr.io/acme/web:1.4.0"
*/
resource "kubernetes_deployment" "web" {
  metadata { labels = { image = "ghcr.io/acme/web:1.4.0" } }
  spec {
    container {
      image   = "ghcr.io/acme/web:1.4.0" // the storefront
      command = ["--image=ghcr.io/acme/web:1.4.0", "image = \"ghcr.io/acme/web:1.4.0\""]
    }
    container {
      image = "ghcr.io/acme/web:${var.tag}"
    }
    container {
      image = var.images["web"]
    }
    container { image = "ghcr.io/acme/web:1.4.0@sha256:abababababababababababababababababababababababababababababababab" }
  }
}
resource "docker_image" "redis" {
  name = "redis:7.4.1"
}
resource "docker_container" "redis" {
  image = docker_image.redis.image_id
  name  = "redis:7.4.1"
}
resource "aws_ecs_task_definition" "web" {
  container_definitions = jsonencode([{ "image" : "ghcr.io/acme/web:1.4.0", name = "web" }])
}
resource "aws_instance" "x" {
  user_data = <<-EOT
    image = "ghcr.io/acme/web:1.4.0"
    EOT
  web_image = "ghcr.io/acme/web:1.4.0" # tagboat: ignore
}
variable "web_image" {
  description = "image: ghcr.io/acme/web:1.4.0"
  default     = "ghcr.io/acme/web:1.4.0"
}

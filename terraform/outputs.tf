output "settings" {
  description = "What the service is told: environment variables."
  value = merge(
    {
      PROJECT_ID     = var.project_id
      OBJECT_STORAGE = "gs://${google_storage_bucket.pictures.name}${var.sign_urls ? "?url=signed" : ""}"
      STATE_STORE    = "firestore://${var.project_id}/${var.firestore_database}${var.firestore_prefix == "imagegen" ? "" : "?prefix=${var.firestore_prefix}"}"
    },
    var.gemini == "api_key" ? { GEMINI_API_KEY_SECRET = "projects/${var.project_id}/secrets/${var.secret}" } : {},
    var.gemini == "vertex" ? { IMAGE_MODELS = "gemini://?vertex=true,compositor://" } : {},
  )
}

output "annotations" {
  description = "What the Kubernetes ServiceAccount is annotated with: nothing, unless URLs are signed."
  value       = local.with_account ? { "iam.gke.io/gcp-service-account" = google_service_account.service[0].email } : {}
}

output "member" {
  description = "Whom everything is granted to."
  value       = local.member
}

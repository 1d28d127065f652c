# What the service uses of Google Cloud, with the least rights that do: one bucket, Firestore, one secret or
# Vertex AI, and the identity under which the pods come. docs/google-cloud.md says the same in gcloud's words.

terraform {
  required_version = ">= 1.5"
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.30, < 8.0"
    }
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
}

data "google_project" "this" {}

locals {
  # Signing needs a service account to sign for. Everything else can be granted to the pods themselves.
  with_account = var.sign_urls
  pool         = "${var.project_id}.svc.id.goog"
  pods         = "subject/ns/${var.namespace}/sa/${var.kubernetes_service_account}"
  direct       = "principal://iam.googleapis.com/projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/${local.pool}/${local.pods}"
  member       = local.with_account ? "serviceAccount:${google_service_account.service[0].email}" : local.direct

  services = toset(concat(
    ["storage.googleapis.com", "firestore.googleapis.com"],
    local.with_account ? ["iamcredentials.googleapis.com"] : [],
    var.gemini == "api_key" ? ["secretmanager.googleapis.com", "generativelanguage.googleapis.com"] : [],
    var.gemini == "vertex" ? ["aiplatform.googleapis.com"] : [],
  ))

  # The records that may simply go when they expire. Not "asset" and "holder": the service deletes an asset's
  # bytes by its record, and takes over a dead replica's drawings by its holder.
  expiring = toset(["background", "fingerprint", "generation", "idempotency"])
  kinds    = toset(["asset", "background", "fingerprint", "generation", "holder", "idempotency", "secret"])
}

resource "google_project_service" "needed" {
  for_each           = local.services
  service            = each.value
  disable_on_destroy = false
}

# ---- The pictures

resource "google_storage_bucket" "pictures" {
  name                        = var.bucket
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  # The service deletes what has expired. This is for what nobody sweeps any more; the service does not notice
  # when it acts, so it acts late.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = var.lifecycle_days
    }
  }

  # A deleted picture is gone: it was made of what a shopper handed in.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  depends_on = [google_project_service.needed]
}

resource "google_storage_bucket_iam_member" "objects" {
  bucket = google_storage_bucket.pictures.name
  role   = "roles/storage.objectUser"
  member = local.member
}

# ---- The records

resource "google_firestore_database" "records" {
  count       = var.create_database ? 1 : 0
  name        = var.firestore_database
  location_id = var.region
  type        = "FIRESTORE_NATIVE"
  depends_on  = [google_project_service.needed]
}

resource "google_project_iam_member" "records" {
  project = var.project_id
  role    = "roles/datastore.user"
  member  = local.member

  condition {
    title      = "one-database"
    expression = "resource.name == \"projects/${var.project_id}/databases/${var.firestore_database}\""
  }
}

resource "google_firestore_field" "expires_at" {
  for_each   = local.expiring
  database   = var.firestore_database
  collection = "${var.firestore_prefix}-${each.value}"
  field      = "expires_at"
  ttl_config {}
  depends_on = [google_firestore_database.records]
}

# Nothing is found by its text; without an index it costs less to write, and may be longer.
resource "google_firestore_field" "body" {
  for_each   = local.kinds
  database   = var.firestore_database
  collection = "${var.firestore_prefix}-${each.value}"
  field      = "body"
  index_config {}
  depends_on = [google_firestore_database.records]
}

# ---- Gemini: a key in Secret Manager, or Vertex AI without one

resource "google_secret_manager_secret" "gemini" {
  count     = var.gemini == "api_key" ? 1 : 0
  secret_id = var.secret
  replication {
    auto {}
  }
  depends_on = [google_project_service.needed]
}

resource "google_secret_manager_secret_iam_member" "gemini" {
  count     = var.gemini == "api_key" ? 1 : 0
  secret_id = google_secret_manager_secret.gemini[0].id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.member
}

resource "google_project_iam_member" "vertex" {
  count   = var.gemini == "vertex" ? 1 : 0
  project = var.project_id
  role    = "roles/aiplatform.user"
  member  = local.member
}

# ---- Only for signed URLs: a service account, which the pods stand for and which signs for itself

resource "google_service_account" "service" {
  count        = local.with_account ? 1 : 0
  account_id   = var.service_account
  display_name = "Pictures of carts"
}

resource "google_service_account_iam_member" "pods" {
  count              = local.with_account ? 1 : 0
  service_account_id = google_service_account.service[0].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${local.pool}[${var.namespace}/${var.kubernetes_service_account}]"
}

resource "google_service_account_iam_member" "signs" {
  count              = local.with_account ? 1 : 0
  service_account_id = google_service_account.service[0].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:${google_service_account.service[0].email}"
}

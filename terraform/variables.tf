variable "project_id" {
  description = "The project of the cluster, and of all that is made here."
  type        = string
}

variable "region" {
  description = "Where the bucket and the database are."
  type        = string
  default     = "us-central1"
}

variable "bucket" {
  description = "The name of the bucket that is made for the pictures."
  type        = string
}

variable "namespace" {
  description = "The namespace of the shop."
  type        = string
  default     = "default"
}

variable "kubernetes_service_account" {
  description = "The Kubernetes ServiceAccount of the pods."
  type        = string
  default     = "imagegenerationservice"
}

variable "sign_urls" {
  description = "Whether browsers read pictures straight from the bucket, by signed URLs (gs://…?url=signed)."
  type        = bool
  default     = false
}

variable "service_account" {
  description = "The Google service account that is made when URLs are signed."
  type        = string
  default     = "imagegenerationservice"
}

variable "gemini" {
  description = "Who draws: none (the compositor alone), api_key (a key in Secret Manager) or vertex (no key)."
  type        = string
  default     = "none"

  validation {
    condition     = contains(["none", "api_key", "vertex"], var.gemini)
    error_message = "One of none, api_key and vertex."
  }
}

variable "secret" {
  description = "The name of the secret for the key. Its value is not written here, so that no state file holds it."
  type        = string
  default     = "gemini-api-key"
}

variable "create_database" {
  description = "Whether the Firestore database is made. A project has only one (default): false when it is there."
  type        = bool
  default     = true
}

variable "firestore_database" {
  description = "The Firestore database."
  type        = string
  default     = "(default)"
}

variable "firestore_prefix" {
  description = "The beginning of the collections' names, as in firestore://…?prefix=."
  type        = string
  default     = "imagegen"
}

variable "lifecycle_days" {
  description = "After how many days the bucket itself deletes an object. Well above twice PICTURE_DAYS."
  type        = number
  default     = 400

  validation {
    condition     = var.lifecycle_days >= 90
    error_message = "At least 90: pictures are kept for 30 days, and longer when they are ordered again."
  }
}

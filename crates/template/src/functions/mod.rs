//! What Prometheus and Alertmanager add to the language.

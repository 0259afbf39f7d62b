//! TLS: whom we believe, and who we are.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion, version,
};
use std::sync::Arc;

/// Certificates or a key, as text.
pub(super) struct Pem(pub(super) String);

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Tls12,
    Tls13,
}

/// Which versions are spoken.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Versions {
    pub(super) least: Option<Version>,
    pub(super) most: Option<Version>,
}

impl Versions {
    fn spoken(self) -> Vec<&'static SupportedProtocolVersion> {
        let all = [
            (Version::Tls13, &version::TLS13),
            (Version::Tls12, &version::TLS12),
        ];
        let own = all.into_iter().filter(|(version, _)| {
            self.least.is_none_or(|least| least <= *version)
                && self.most.is_none_or(|most| *version <= most)
        });
        own.map(|(_, version)| version).collect()
    }
}

/// Whom to believe.
#[derive(Default)]
pub(super) struct Trust {
    /// Who signs certificates; `None`: whom this machine believes.
    pub(super) ca: Option<Pem>,
    /// Our certificate.
    pub(super) cert: Option<Pem>,
    /// And its key.
    pub(super) key: Option<Pem>,
    /// The name on the server's certificate; `None`: that of the address.
    pub(super) server_name: Option<String>,
    /// Whether anybody is believed.
    pub(super) is_insecure: bool,
    pub(super) versions: Versions,
}

/// What a connection needs.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) server_name: Option<String>,
}

impl Trust {
    /// # Errors
    /// What is wrong with certificates or keys.
    pub(super) fn config(&self) -> Result<Tls, String> {
        let provider = Arc::new(ring::default_provider());
        let versions = self.versions.spoken();
        if versions.is_empty() {
            return Err("min_version is above max_version".into());
        }
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(|error| error.to_string())?;
        let builder = builder.dangerous();
        let builder = match self.is_insecure {
            true => builder.with_custom_certificate_verifier(Arc::new(Anybody(provider))),
            false => {
                let roots = Arc::new(self.roots()?);
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider);
                let by_signer = verifier.build().map_err(|error| error.to_string())?;
                let named = self.ca.as_ref().map(|ca| certificates("ca", ca));
                let named = named.transpose()?.unwrap_or_default();
                builder.with_custom_certificate_verifier(Arc::new(Named { by_signer, named }))
            }
        };
        let config = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                let key = PrivateKeyDer::from_pem_slice(key.0.as_bytes());
                let key = key.map_err(|error| format!("key: {error}"))?;
                let ours = builder.with_client_auth_cert(certificates("cert", cert)?, key);
                ours.map_err(|error| format!("cert and key: {error}"))?
            }
            _ => builder.with_no_client_auth(),
        };
        Ok(Tls {
            config: Arc::new(config),
            server_name: self.server_name.clone(),
        })
    }

    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        let Some(ca) = &self.ca else {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let why = found.errors.first().map(|error| format!(": {error}"));
                let why = why.unwrap_or_default();
                return Err(format!(
                    "this machine has no certificates to believe in{why}\n    name the signer's with `tls_config: {{ ca_file: FILE }}`"
                ));
            }
            return Ok(roots);
        };
        for certificate in certificates("ca", ca)? {
            let added = roots.add(certificate);
            added.map_err(|error| format!("ca: {error}"))?;
        }
        Ok(roots)
    }
}

fn certificates(what: &str, pem: &Pem) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_slice_iter(pem.0.as_bytes()).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(|error| format!("{what}: {error}"))?;
    match all.is_empty() {
        true => Err(format!("{what}: there is no certificate in it")),
        false => Ok(all),
    }
}

/// Believes those whose certificates are signed by somebody who is believed, and whose certificate itself was named: one that
/// `openssl req -x509` makes says that it signs others, and webpki takes such a one for nothing else.
#[derive(Debug)]
struct Named {
    by_signer: Arc<WebPkiServerVerifier>,
    named: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Named {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = self
            .by_signer
            .verify_server_cert(certificate, others, name, stapled, now);
        match found {
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.named.contains(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_signer
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_signer
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_signer.supported_verify_schemes()
    }
}

/// Believes whoever holds the key of the certificate it shows, whatever that is.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

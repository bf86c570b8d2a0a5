//! All messages of the standards, each input tried as each of them: what decodes, encodes to the same value.

#![no_main]

use simyard_asn1::iot::data::IpaEuiccDataResponse;
use simyard_asn1::iot::esipa::EsipaRequest;
use simyard_asn1::iot::package::EuiccPackageRequest;
use simyard_asn1::iot::result::EuiccPackageResult;
use simyard_asn1::rsp::authentication::{
    AuthenticateServerRequest, AuthenticateServerResponse, CtxParams1, DeviceInfo, EuiccSigned1,
    ServerSigned1,
};
use simyard_asn1::rsp::card::{
    EuiccConfiguredAddressesResponse, GetEuiccChallengeResponse, GetEuiccDataResponse, ProfileIdentifier,
    RetrieveNotificationsListRequest,
};
use simyard_asn1::rsp::download::{
    CancelSessionRequest, CancelSessionResponse, EuiccCancelSessionSigned, EuiccSigned2,
    PrepareDownloadRequest, PrepareDownloadResponse, SmdpSigned2,
};
use simyard_asn1::rsp::info::{EuiccInfo1, EuiccInfo2};
use simyard_asn1::rsp::metadata::{ProfileInfo, StoreMetadataRequest};
use simyard_asn1::rsp::notification::{
    NotificationMetadata, OtherSignedNotification, PendingNotification, ProfileInstallationResult,
    ProfileInstallationResultData,
};
use simyard_asn1::rsp::package::{
    BoundProfilePackage, ConfigureIsdpRequest, InitialiseSecureChannelRequest, ReplaceSessionKeysRequest,
};
use simyard_asn1::saip::EuiccResponse;

simyard_fuzz::messages! {
    values: [
        AuthenticateServerRequest, AuthenticateServerResponse, BoundProfilePackage, CancelSessionRequest,
        CancelSessionResponse, ConfigureIsdpRequest, CtxParams1, DeviceInfo, EsipaRequest,
        EuiccCancelSessionSigned, EuiccConfiguredAddressesResponse, EuiccInfo1, EuiccInfo2,
        EuiccPackageRequest, EuiccPackageResult, EuiccResponse, EuiccSigned1, EuiccSigned2,
        GetEuiccChallengeResponse, GetEuiccDataResponse, InitialiseSecureChannelRequest,
        IpaEuiccDataResponse, NotificationMetadata, OtherSignedNotification, PendingNotification,
        PrepareDownloadRequest, PrepareDownloadResponse, ProfileIdentifier, ProfileInfo,
        ProfileInstallationResult, ProfileInstallationResultData, RetrieveNotificationsListRequest,
        ServerSigned1, SmdpSigned2, StoreMetadataRequest,
    ],
    secrets: [ReplaceSessionKeysRequest],
}

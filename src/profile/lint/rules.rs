//! The catalogue of rules: what each asks for, by which clause, how bad it is to break it, and what to do then.
//!
//! An id is `area/what-is-wrong`. It never changes its meaning: configurations of users name it. A clause of the TCA
//! Profile Package is named by its ASN.1 type or its chapter, those of other standards by number; "practice" marks rules
//! that no standard has and experience suggests.

use super::Severity;

macro_rules! rules {
    ($($rule:ident $id:literal $severity:ident $clause:literal $title:literal $help:literal),* $(,)?) => {
        /// One rule of the catalogue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(#[doc = concat!("`", $id, "`: ", $title, ".")] $rule,)*
        }

        impl Rule {
            /// All rules in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$rule),*];

            /// The stable name: `area/what-is-wrong`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$rule => $id,)* }
            }

            /// How bad it is to break it.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$rule => Severity::$severity,)* }
            }

            /// Where the rule comes from.
            #[must_use]
            pub const fn clause(self) -> &'static str {
                match self { $(Self::$rule => $clause,)* }
            }

            /// What is wrong, in one line.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$rule => $title,)* }
            }

            /// What to do about it.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$rule => $help,)* }
            }
        }
    };
}

rules! {
    // How the package is encoded.
    EncodingFraming "encoding/framing" Error "TCA Profile Package, ProfileElement; X.690 8.1"
        "octets that are no element"
        "check that the file is complete and binary: DER elements one after another, without a wrapper around them",
    EncodingElement "encoding/element" Error "TCA Profile Package, ASN.1 module"
        "a value that the module does not allow"
        "encode the element as the type named in the message says",
    EncodingLength "encoding/length" Warning "X.690 10.1"
        "a length in more octets than it needs"
        "encode the package as DER: the shortest form of every length",
    EncodingInteger "encoding/integer" Warning "X.690 8.3.2"
        "an INTEGER in more octets than it needs"
        "encode the package as DER: no leading 00 or FF that the sign does not need",
    EncodingDefault "encoding/default" Warning "X.690 11.5"
        "a member that only repeats its DEFAULT value"
        "leave the member out, as DER wants",
    EncodingMemberOrder "encoding/member-order" Error "TCA Profile Package, Fcp"
        "file control parameters in another order than the module's"
        "write them in the order 82, 83, 84, 8A, 8B, 80, C6, 88, A5, C7",
    EncodingUnknownMember "encoding/unknown-member" Info "TCA Profile Package, ASN.1 module"
        "a member that no published version of the module has"
        "remove it, unless the eUICC is known to read it",

    // Elements one by one.
    ElementIdentificationTwice "element/identification-twice" Error "TCA Profile Package, PEHeader"
        "two elements with one identification"
        "give every element a number of its own: the eUICC names elements by it",
    ElementUnknown "element/unknown" Warning "TCA Profile Package, ProfileElement"
        "an element that no published version of the format has"
        "remove it, or leave it not mandated so that an eUICC may skip it",
    ElementNonStandard "element/non-standard" Warning "TCA Profile Package, PE-NonStandard"
        "a mandated element that only its issuer's eUICCs read"
        "leave it not mandated, unless the profile goes to those eUICCs alone",
    ElementEndContent "element/end-content" Warning "TCA Profile Package, PE-End"
        "End with more than its header"
        "remove what follows the header of End",

    // Order.
    OrderHeaderFirst "order/header-first" Error "TCA Profile Package, chapter 8"
        "the first element is no profile header"
        "put the profile header in front of all other elements",
    OrderHeaderOnce "order/header-once" Error "TCA Profile Package, chapter 8"
        "a second profile header"
        "remove it",
    OrderMfSecond "order/mf-second" Error "TCA Profile Package, chapter 8"
        "the MF does not follow the header"
        "put PE-MF directly behind the header: all other files lie in it",
    OrderMfOnce "order/mf-once" Error "TCA Profile Package, chapter 8"
        "a second MF"
        "remove it, or move its files into the first one by GenericFileManagement",
    OrderMfByManagement "order/mf-by-management" Info "TCA Profile Package, chapter 8"
        "the MF is created by GenericFileManagement"
        "use PE-MF: the format allows both, few eUICCs and tools were tried with this one",
    OrderEndLast "order/end-last" Error "TCA Profile Package, PE-End"
        "an element behind End"
        "move End to the end, and keep only one",
    OrderEndMissing "order/end-missing" Error "TCA Profile Package, PE-End"
        "the package does not end with End"
        "append End; if the file was cut off, get it again",
    OrderElementTwice "order/element-twice" Error "TCA Profile Package, chapter 8"
        "an element for the second time in its directory"
        "merge the two, or start another application before the second one",
    OrderApplicationBefore "order/application-before" Error "TCA Profile Package, chapter 8"
        "files of an application that does not stand before them"
        "move the element behind the PE-USIM, PE-ISIM or PE-CSIM that its files belong to",
    OrderAkaPlace "order/aka-place" Error "TCA Profile Package, PE-AKAParameter"
        "keys without an application before them"
        "move the element behind the application that authenticates with these keys",
    OrderAkaTwice "order/aka-twice" Error "TCA Profile Package, PE-AKAParameter"
        "an application with two sets of keys"
        "keep one PE-AKAParameter for each application",
    OrderCdmaPlace "order/cdma-place" Error "TCA Profile Package, PE-CDMAParameter"
        "CDMA keys without a CSIM before them"
        "move the element behind the PE-CSIM that it belongs to",
    OrderPukBeforePin "order/puk-before-pin" Error "TCA Profile Package, PE-PUKCodes"
        "a PUK behind the PIN that it unblocks"
        "move the PE-PUKCodes in front of the PE-PINCodes that refer to it",
    OrderPinsAfterTelecom "order/pins-after-telecom" Warning "TS.48 on its A and B variants; TCA Profile Package 2.2"
        "local PINs directly behind PE-TELECOM in a package before version 2.2"
        "eUICCs before 2.2 differ in whose PINs these are: select 7F10 by a GenericFileManagement in front of them",
    OrderSecurityDomainBefore "order/security-domain-before" Error "TCA Profile Package, PE-SecurityDomain"
        "an application in front of the first security domain"
        "move it behind the MNO-SD, to which everything belongs that names no other domain",
    OrderMnoSecurityDomain "order/mno-security-domain" Warning "TCA Profile Package, PE-SecurityDomain"
        "the MNO-SD is not the first security domain"
        "put the domain with the AID A000000151000000 in front of the others",

    // The header.
    HeaderVersion "header/version" Error "TCA Profile Package, ProfileHeader"
        "a version of the format that no eUICC accepts"
        "give major version 2 or 3",
    HeaderVersionUnpublished "header/version-unpublished" Warning "TCA Profile Package, ProfileHeader"
        "a version of the format that was never published"
        "give one of 2.0 to 2.3 and 3.0 to 3.3",
    HeaderVersionContent "header/version-content" Warning "TCA Profile Package, lists of changes"
        "content that is newer than the version in the header"
        "raise the version, or remove what eUICCs of that version do not know",
    HeaderProfileType "header/profile-type" Error "TCA Profile Package, ProfileHeader"
        "a profileType that is no text of 1 to 100 characters"
        "shorten it, or leave it out",
    HeaderIccid "header/iccid" Error "TCA Profile Package, ProfileHeader"
        "an ICCID that is no number of 18 to 20 digits"
        "write the digits in reading order, two an octet, filled up with F to ten octets",
    HeaderTemplateUnknown "header/template-unknown" Warning "TCA Profile Package, ProfileHeader and chapter 9"
        "a mandatory template that was never published"
        "remove it from eUICC-Mandatory-GFSTEList: an eUICC that does not know it refuses the profile",
    HeaderTemplateTwice "header/template-twice" Warning "TCA Profile Package, ProfileHeader"
        "a mandatory template listed twice"
        "list it once",
    HeaderTemplateUnlisted "header/template-unlisted" Warning "TCA Profile Package, ProfileHeader"
        "the template of a mandated element is not in the header"
        "add it to eUICC-Mandatory-GFSTEList, so that an eUICC without it refuses at once and not half-way",
    HeaderTemplateUnused "header/template-unused" Info "TCA Profile Package, ProfileHeader"
        "a mandatory template that no element uses"
        "remove it: eUICCs without it refuse the profile for nothing",
    HeaderAids "header/aids" Error "TCA Profile Package, ProfileHeader"
        "a mandatory library without AID of 5 to 16 octets or version of 2"
        "give each entry of eUICC-Mandatory-AIDs an AID and a version",
    HeaderIotOptions "header/iot-options" Error "TCA Profile Package 3.3, IotOptions"
        "an IoT minimal profile without its PIX of 7 to 11 octets"
        "give iotOptions with the PIX of the USIM's AID",

    // Mandatory services.
    ServiceUnknown "service/unknown" Error "TCA Profile Package, ServicesList"
        "a mandatory service that no published version of the format has"
        "remove it: every eUICC refuses what it does not know",
    ServiceTwice "service/twice" Error "TCA Profile Package, ServicesList"
        "a mandatory service listed twice"
        "list it once: the list is a SEQUENCE whose members occur once",
    ServiceMissing "service/missing" Warning "TCA Profile Package, ServicesList"
        "mandated content whose service is not in the header"
        "add the service to eUICC-Mandatory-services, so that an eUICC without it refuses at once and not half-way",
    ServiceWithoutContent "service/without-content" Warning "TCA Profile Package, ServicesList"
        "a mandatory service that nothing in the package uses"
        "remove it: eUICCs without it refuse the profile for nothing",
    ServiceNotMandated "service/not-mandated" Warning "TCA Profile Package, ServicesList"
        "a mandatory service for content that is not mandated"
        "remove the service, so that an eUICC without it can skip the content; or mandate the element",
    ServiceDependency "service/dependency" Warning "TCA Profile Package, ServicesList"
        "a mandatory service without the one that it needs"
        "list both",

    // Templates.
    TemplateUnknown "template/unknown" Error "TCA Profile Package, chapter 9"
        "a file system template that was never published"
        "use an identifier of chapter 9",
    TemplateOfAnother "template/of-another" Error "TCA Profile Package, chapter 9"
        "the file system template of another element"
        "use the template of this element",
    TemplateUnknownFile "template/unknown-file" Error "TCA Profile Package, chapter 9"
        "a file that the template does not have in this version"
        "use the version of the template that has it, or create the file by GenericFileManagement",
    TemplateDirectoryMissing "template/directory-missing" Error "TCA Profile Package, chapter 9"
        "a file without the directory that it lies in"
        "list the directory in front of the file, with its PIN status template",
    TemplateFileMissing "template/file-missing" Error "TCA Profile Package, chapter 9"
        "a mandatory file is missing, and the template has no content for it"
        "list the file with its content",
    TemplateParameterMissing "template/parameter-missing" Error "TCA Profile Package, chapter 9 and Fcp"
        "an attribute that the package must give is missing"
        "give it in the file's Fcp",

    // Files.
    FileDoNotCreate "file/do-not-create" Error "TCA Profile Package, File"
        "doNotCreate for a file that is not created by default"
        "leave the field out",
    FileDoNotCreateMf "file/do-not-create-mf" Info "TCA Profile Package, File"
        "doNotCreate without effect on a file of the MF"
        "leave it out: the file is created",
    FileParts "file/parts" Error "TCA Profile Package, File"
        "doNotCreate beside other parts, or a file descriptor that is not the first part"
        "let doNotCreate stand alone; give one fileDescriptor, in front of all contents",
    FileContentTooLong "file/content-too-long" Error "TCA Profile Package, File"
        "more content than the file has room for"
        "shorten the content, or raise efFileSize",
    FileContentMissing "file/content-missing" Warning "TCA Profile Package, chapter 9"
        "a file without the content that its template leaves to the package"
        "write its content; what eUICCs put there without is FF or not defined",
    FilePatternTooLong "file/pattern-too-long" Warning "TCA Profile Package, ProprietaryInfo"
        "a pattern that is longer than the file or record that it fills"
        "shorten the pattern",
    FileIdTwice "file/id-twice" Error "TS 102 221 8.2"
        "two files with one identifier in one directory"
        "give one of them another identifier, or remove it",
    FileShortIdTwice "file/short-id-twice" Error "TS 102 221 8.2"
        "two files with one short file identifier in one directory"
        "give one of them another, or none by an empty 88",
    FileIdReserved "file/id-reserved" Error "TS 102 221 8.2; TS 102 221 8.6"
        "a file identifier that is reserved"
        "use another one: 3F00, 3FFF, 7FFF and FFFF have meanings of their own",
    FileIdOfTemplate "file/id-of-template" Warning "TCA Profile Package 8.3.3 and chapter 9"
        "another file identifier than the template's"
        "leave the identifier out, or create the file by GenericFileManagement",
    FileDescriptor "file/descriptor" Error "TS 102 221 11.1.1.4.3; TCA Profile Package 8.3.3"
        "a file descriptor that is none, or none for this file"
        "use 41 transparent, 42 linear fixed, 46 cyclic, 79 BER-TLV, 78 directory, as the file's kind asks",
    FileDataCoding "file/data-coding" Warning "TS 102 221 11.1.1.4.3"
        "another data coding byte than 21"
        "write 21 as second octet of the file descriptor",
    FileRecordSize "file/record-size" Error "TS 102 221 11.1.1.4.1"
        "a size that is no whole number of records, or more than 254"
        "make efFileSize the record length times the number of records",
    FileSizeEncoding "file/size-encoding" Warning "TCA Profile Package, Fcp"
        "efFileSize in more octets than it needs"
        "write the size in as few octets as possible; eUICCs of version 2.0 may want two",
    FileSizeOfDirectory "file/size-of-directory" Error "TCA Profile Package, Fcp"
        "efFileSize of a directory"
        "remove it: only files with content have a size",
    FileBerTlvSize "file/ber-tlv-size" Warning "TCA Profile Package, ProprietaryInfo"
        "maximumFileSize of a file that holds no data objects"
        "remove it: only BER-TLV files have one",
    FilePinStatusOfFile "file/pin-status-of-file" Error "TCA Profile Package, Fcp"
        "a PIN status template for a file with content"
        "remove it: only directories have one",
    FileAidOfOther "file/aid-of-other" Error "TCA Profile Package, Fcp"
        "dfName of a file that is no ADF"
        "remove it: only the directory of an application has an AID",
    FileLifeCycle "file/life-cycle" Warning "TS 102 221 11.1.1.4.9"
        "a life cycle status in which the file cannot be used, or that is none"
        "use 05 activated or 04 deactivated",
    FileSpecialInformation "file/special-information" Warning "TCA Profile Package, ProprietaryInfo"
        "special file information with bits that have no meaning"
        "use 80 high update activity and 40 readable and updatable when deactivated",
    FileNotShareable "file/not-shareable" Info "TS 102 221 11.1.1.4.3; TCA Profile Package, chapter 9"
        "a template's file that is not shareable"
        "use 4x or 78, 79, as the templates do, unless two channels must not select it",
    FileMemory "file/memory" Warning "practice"
        "more files or octets than an eUICC has room for"
        "make the profile smaller",

    // Links.
    LinkTarget "link/target" Error "TCA Profile Package, Fcp"
        "a link to a file that does not exist"
        "give the path of a file from the MF, with the temporary identifiers of applications",
    LinkLater "link/later" Error "TCA Profile Package, Fcp"
        "a link to a file that is created later"
        "move the link behind the file that it leads to",
    LinkAttributes "link/attributes" Error "TCA Profile Package, Fcp"
        "a link with size, pattern or content of its own"
        "remove them: the target has them",
    LinkKind "link/kind" Error "TCA Profile Package, Fcp"
        "a link between files of different kinds, from an ADF, or into itself"
        "let files lead to files and directories to directories that are not above them",

    // Access rules.
    AccessRecord "access/record" Error "TS 102 221 9.2.7"
        "an access rule that does not exist"
        "write the record into that EF.ARR, or refer to another one",
    AccessRule "access/rule" Error "TS 102 221 9.2.4; ISO/IEC 7816-4 9.3"
        "an access rule that cannot be read"
        "write it as access mode objects (80 to 8F), each followed by its security conditions",
    AccessTwoForms "access/two-forms" Error "TS 102 221 11.1.1.4.7"
        "access rules in two forms"
        "keep 8B alone",
    AccessKey "access/key" Warning "TS 102 221 9.5.1"
        "an access rule or PIN status template that asks for a code that does not exist"
        "add the code to the PE-PINCodes of the directory, or change the reference",
    AccessTemplateRule "access/template-rule" Warning "TCA Profile Package 9.9"
        "a file keeps the template's rule number, and EF.ARR has another rule there"
        "give the file an 8B of its own, or put the rules of 9.9 into EF.ARR in their order",

    // PINs and PUKs.
    PinReference "pin/reference" Error "TCA Profile Package, PINConfiguration and PUKConfiguration"
        "a key reference that no PIN or PUK has"
        "use 1 to 8, 10 to 14, 129 to 136, 138 to 142 for PINs; 1 to 8 and 129 to 136 for PUKs",
    PinReferenceTwice "pin/reference-twice" Error "TCA Profile Package, PINConfiguration and PUKConfiguration"
        "a key reference given twice"
        "give each PIN of a directory, and each PUK, once",
    PinPlace "pin/place" Error "TCA Profile Package, PE-PINCodes"
        "a global PIN outside the MF, or a local one in it"
        "put references 1 to 14 behind PE-MF, and 129 to 142 behind the application or directory",
    PinCount "pin/count" Error "TCA Profile Package, PE-PINCodes"
        "no PINs, or more than 26, in one element"
        "give 1 to 26",
    PinValue "pin/value" Error "TCA Profile Package, PINConfiguration; TS 102 221 9.5.1"
        "a PIN or PUK that nobody can enter"
        "write eight octets: a PIN of 4 to 8 ASCII digits filled up with FF, a PUK of 8 digits",
    PinAttempts "pin/attempts" Error "TCA Profile Package, PINConfiguration and PUKConfiguration"
        "attempts that do not fit together"
        "give a maximum of at least 1, and not more attempts left than that",
    PinBlocked "pin/blocked" Warning "practice"
        "a PIN or PUK that is blocked from the start"
        "set the attempts left (low nibble) to the maximum (high nibble)",
    PinPuk "pin/puk" Error "TCA Profile Package, PE-PINCodes"
        "a PIN that is unblocked by a PUK that does not exist"
        "add the PUK to a PE-PUKCodes in front of the PIN",
    PinWithoutPuk "pin/without-puk" Warning "TS 102 221 9.5.2"
        "a user's PIN that no PUK unblocks"
        "name a PUK in unblockingPINReference: a user who errs three times loses the PIN for good",
    PinUnusedPuk "pin/unused-puk" Info "practice"
        "a PUK that unblocks no PIN"
        "remove it, or name it in unblockingPINReference of a PIN",
    PinShare "pin/share" Error "TCA Profile Package, PE-PINCodes"
        "PINs shared with a directory that has none"
        "give the path of a directory whose own PINs stand before the element",
    PinDefault "pin/default" Info "practice"
        "a user's PIN that everybody tries first"
        "make a PIN of its own for each subscription, or be content with what the user can change",
    PinWeakCode "pin/weak-code" Warning "practice; TS.48 on codes that are not public"
        "a PUK or administrative code that can be guessed"
        "make random codes for each subscription: an administrative code changes every file",

    // Authentication.
    AkaMissing "aka/missing" Error "TCA Profile Package, PE-AKAParameter"
        "a USIM or ISIM without keys"
        "add a PE-AKAParameter behind it, with keys or with a mapping to those of the USIM",
    AkaAlgorithm "aka/algorithm" Error "TCA Profile Package, AlgoParameter"
        "an algorithm that the format does not have"
        "use 1 Milenage, 2 TUAK or 3 the test algorithm",
    AkaKeyLength "aka/key-length" Error "TCA Profile Package, AlgoParameter"
        "a K that the algorithm does not take"
        "give 16 octets; TUAK takes 16 or 32",
    AkaOpcLength "aka/opc-length" Error "TCA Profile Package, AlgoParameter"
        "an OPc or TOPc that the algorithm does not take"
        "give an OPc of 16 octets for Milenage, a TOPc of 32 for TUAK",
    AkaRotation "aka/rotation" Error "TS 35.206 4.1"
        "rotation constants that are none"
        "give r1 to r5, each 0 to 127",
    AkaConstants "aka/constants" Warning "TS 35.206 5.3"
        "two outputs of Milenage with the same constants"
        "choose constants so that no two pairs of r and c are equal: the outputs must differ",
    AkaKeccak "aka/keccak" Warning "TCA Profile Package, AlgoParameter"
        "a number of Keccak iterations that TUAK does not take, or without TUAK"
        "give 1 or more for TUAK, nothing for other algorithms",
    AkaCounter "aka/counter" Warning "TCA Profile Package, AlgoParameter"
        "an authentication counter that ends the subscription soon"
        "leave authCounterMax out, or raise it: a phone authenticates several thousand times a year",
    AkaMapping "aka/mapping" Error "TCA Profile Package, MappingParameter"
        "keys of an application that does not stand before it or has none of its own"
        "name the AID of a USIM or ISIM before the element that has keys",
    AkaSequence "aka/sequence" Error "TCA Profile Package, PE-AKAParameter"
        "a sequence number or limit above 07FFFFFFFFFF"
        "give 43 bits without the index",
    AkaTestAlgorithm "aka/test-algorithm" Warning "TS 34.108 8.1.2; TS.48"
        "the test algorithm for a subscription that is no test's"
        "use Milenage or TUAK: the test algorithm gives K away to anyone who listens",
    CdmaMissing "cdma/missing" Warning "TCA Profile Package, PE-CDMAParameter"
        "a CSIM without keys"
        "add a PE-CDMAParameter, or a PE-AKAParameter, behind it",
    CdmaLength "cdma/length" Error "TCA Profile Package, PE-CDMAParameter"
        "a CDMA key of a length that is not allowed"
        "give an authenticationKey of 8 octets, ssd of 16, hrpd 2 to 32, simple IP 3 to 483, mobile IP 5 to 957",

    // Security domains.
    DomainMissing "domain/missing" Warning "SGP.22 2.4.5; TCA Profile Package, PE-SecurityDomain"
        "no security domain"
        "add the MNO-SD: without it the operator cannot manage the profile",
    DomainAids "domain/aids" Warning "GlobalPlatform Card Specification, annex H; TCA Profile Package, PE-SecurityDomain"
        "a security domain of another package or class than GlobalPlatform's"
        "use load package A0000001515350 and class A000000151535041, unless the eUICC brings the other one",
    DomainPrivileges "domain/privileges" Error "GlobalPlatform Card Specification 6.6.1"
        "a security domain without the privilege to be one"
        "give one or three octets of privileges with bit 80 in the first",
    DomainLifeCycle "domain/life-cycle" Warning "GlobalPlatform Card Specification 5.3"
        "a life cycle state that is none"
        "use 07 selectable or 0F personalised for domains; 03, 07 and above for applications",
    DomainParameters "domain/parameters" Error "GlobalPlatform Card Specification 11.5.2.3.7"
        "installation parameters that are no data objects"
        "write them as TLVs, like 81 02 80 00 for SCP80",
    DomainSecureChannel "domain/secure-channel" Warning "GlobalPlatform Card Specification 11.5.2.3.7"
        "keys of a secure channel protocol that the domain does not announce"
        "name the protocol of the keys in 81 of the installation parameters, or remove the keys",
    DomainKeyVersion "domain/key-version" Error "GlobalPlatform Card Specification 11.8.2"
        "a key version number that keys cannot have"
        "give 01 to 7F, or FF for the keys that are replaced first",
    DomainKeyVersionRange "domain/key-version-range" Warning "TS 102 225 5.1.1; GlobalPlatform UICC Configuration"
        "a key version number that belongs to no secure channel protocol"
        "use 01 to 0F for SCP80, 20 to 2F for SCP02, 30 to 3F for SCP03, 40 to 4F for SCP81",
    DomainKeyIdentifier "domain/key-identifier" Warning "GlobalPlatform Card Specification 11.8.2"
        "a key identifier that the protocol does not use"
        "use 1 enciphering, 2 integrity, 3 key encryption; SCP81 has 1 and 2",
    DomainKeyType "domain/key-type" Warning "GlobalPlatform Card Specification 11.1.8"
        "a key type that secure channels do not use"
        "use 80 DES, 88 AES, 85 PSK",
    DomainKeyLength "domain/key-length" Error "GlobalPlatform Card Specification 11.1.8"
        "a key of a length that its type does not have"
        "give 16 or 24 octets for DES, 16, 24 or 32 for AES, at least 16 for a PSK",
    DomainKeyTwice "domain/key-twice" Error "GlobalPlatform Card Specification 11.8.2"
        "a key given twice"
        "give each identifier of a version once",
    DomainWithoutMac "domain/without-mac" Warning "TS 102 225 5.1.1"
        "a key set without its integrity key"
        "add the key with identifier 2: without it no command can be authenticated",
    DomainKeysEqual "domain/keys-equal" Warning "practice"
        "keys of one set that are equal"
        "make each key on its own: a checksum must not tell about the enciphering key",
    DomainWithoutKeys "domain/without-keys" Info "TCA Profile Package, PE-SecurityDomain"
        "a security domain without keys"
        "give it keys, unless another domain personalises it",

    // Remote file management and applications.
    RemoteMinimumSecurity "remote/minimum-security" Warning "TS 102 225 5.1.1; TS 102 226 8.2.1.3.2.1"
        "remote management without cryptographic checksum"
        "raise the minimum security level: 02 asks for a checksum, 06 for enciphering too, 16 for a counter besides",
    RemoteTar "remote/tar" Error "TS 101 220 annex D"
        "a toolkit application reference that has not three octets"
        "give three octets",
    RemoteTarTwice "remote/tar-twice" Error "TS 101 220 annex D"
        "a toolkit application reference of two applications"
        "give each application its own: messages are delivered by it",
    RemoteDomain "remote/domain" Error "TCA Profile Package, PE-RFM and PE-Application"
        "a security domain that does not stand before the element"
        "name a domain of the package that stands before it, or none for the MNO-SD",
    RemoteApplication "remote/application" Error "TCA Profile Package, ADFRFMAccess"
        "remote management of an application that does not exist"
        "name the AID of a PE-USIM, PE-ISIM or PE-CSIM before the element",
    RemoteAccessDomain "remote/access-domain" Warning "TS 102 226 8.2.1.3.2.1"
        "an access domain that cannot be read"
        "use 00 full access, FF none, or 02 and the rights",
    RemoteFullAccess "remote/full-access" Info "TS 102 226 8.2.1.3.2.1; TS 102 225 5.1.1"
        "remote management of all files by messages that can be sent again"
        "ask for a checksum and a counter (minimum security level 12 or 16), or replace 00 by the rights that are needed",
    ApplicationAidTwice "application/aid-twice" Error "ISO/IEC 7816-4 8.2.1.2; TCA Profile Package, chapter 8"
        "two applications with one AID"
        "give each instance and each ADF an AID of its own",
    ApplicationAid "application/aid" Error "ISO/IEC 7816-4 8.2.1.2"
        "an AID that has not 5 to 16 octets"
        "give 5 to 16 octets",
    ApplicationEmpty "application/empty" Error "TCA Profile Package, PE-Application"
        "neither a package to load nor an instance to make"
        "give a loadBlock or an instanceList, or remove the element",
    ApplicationPackage "application/package" Warning "TCA Profile Package, PE-Application"
        "an instance of a package that nothing brings"
        "load the package before, or list it in eUICC-Mandatory-AIDs",
    ApplicationPackageLater "application/package-later" Error "TCA Profile Package, PE-Application"
        "an instance in front of the package that it is made from"
        "move the element that loads the package in front of it",
    ApplicationLoadBlock "application/load-block" Warning "Java Card VM Specification, chapter 6"
        "code that is no CAP file"
        "put the components of the CAP file one after another, Header first",

    // File management.
    ManagementPath "management/path" Error "TCA Profile Package, PE-GenericFileManagement"
        "a path that leads to no file"
        "give the path from the MF without 3F00, with the temporary identifiers of applications",
    ManagementNothingToFill "management/nothing-to-fill" Error "TCA Profile Package, PE-GenericFileManagement"
        "content for no file"
        "create or select the file in front of its content",
    ManagementBesideDirectory "management/beside-directory" Warning "TCA Profile Package, PE-GenericFileManagement"
        "a file created beside a new directory, not in it"
        "select the directory by filePath before its files: createFCP stays where it is",

    // Who the profile is.
    IdentityIccid "identity/iccid" Error "TCA Profile Package, ProfileHeader; TS 102 221 13.2"
        "EF.ICCID is another number than the header's, or none"
        "write the header's ICCID into EF.ICCID with the two digits of each octet swapped",
    IdentityIccidCheckDigit "identity/iccid-check-digit" Warning "ITU-T E.118"
        "an ICCID whose last digit is no check digit"
        "check the number; where it is meant without check digit, silence this rule",
    IdentityIccidPrefix "identity/iccid-prefix" Warning "ITU-T E.118"
        "an ICCID that does not begin with 89"
        "take a number of a telecom issuer: 89, country, issuer",
    IdentityImsi "identity/imsi" Error "TS 31.102 4.2.2"
        "EF.IMSI holds no IMSI"
        "write the number of octets, then the digits swapped, with the parity in the first nibble: 08 and 9 for 15 digits",
    IdentityImsiLength "identity/imsi-length" Info "TS 23.003 2.2"
        "an IMSI that has not 15 digits"
        "check the number: fewer digits are allowed and rare",
    IdentityImsiTwice "identity/imsi-twice" Warning "practice"
        "two USIMs with one IMSI"
        "give each USIM its own subscription",
    IdentityAccessClass "identity/access-class" Warning "TS 22.011 4.2; TS 31.102 4.2.15"
        "EF.ACC does not have exactly one of the access classes 0 to 9"
        "set the bit of the IMSI's last digit; bit 10 has no meaning here",
    IdentityAccessClassImsi "identity/access-class-imsi" Warning "TS 22.011 4.2; practice"
        "the access class is not the IMSI's last digit"
        "set the bit of the IMSI's last digit, unless the operator spreads the load by another plan",
    IdentityAd "identity/ad" Error "TS 31.102 4.2.18"
        "EF.AD without length of the MNC, or with an unknown mode"
        "write mode, two octets, and 02 or 03 for the digits of the MNC",
    IdentityTestMode "identity/test-mode" Warning "TS 31.102 4.2.18"
        "a test mode of operation for a subscription that is no test's"
        "write 00 normal operation into the first octet of EF.AD",
    IdentityHomePlmn "identity/home-plmn" Warning "TS 31.102 4.2.53 and 4.2.18"
        "EF.HPLMNwAcT does not list the home network of the IMSI"
        "write the country and network code of the IMSI, with as many digits as EF.AD says",
    IdentityMsisdn "identity/msisdn" Warning "TS 31.102 4.2.26"
        "EF.MSISDN with a number that cannot be read"
        "write length, type of number, the digits swapped and filled up with F",
    IdentitySpn "identity/spn" Warning "TS 31.102 4.2.12"
        "a service provider name that cannot be shown"
        "write the display condition, then GSM letters or UCS2 behind 80, 81 or 82, filled up with FF",
    IdentityImpi "identity/impi" Warning "TS 31.103 4.2.2 to 4.2.4"
        "EF.IMPI, EF.IMPU or EF.DOMAIN without a name that can be read"
        "write 80, the length, and the name in UTF-8",
    IdentityImpiImsi "identity/impi-imsi" Info "TS 23.003 13.3"
        "a private identity made from another IMSI"
        "write the IMSI of the USIM in front of the @, or a name of another kind",
    IdentityDirectory "identity/directory" Warning "TS 102 221 13.1"
        "EF.DIR does not list the applications of the package"
        "write one record 61 { 4F AID, 50 label } for each application, and no other",

    // Contents of files.
    ContentSize "content/size" Warning "TS 31.102 4.2 and 4.4; TS 31.103 4.2"
        "a size or record length that the file does not have"
        "give the size of the file's clause",
    ContentPlmn "content/plmn" Warning "TS 31.102 4.2.5; TS 24.008 10.5.1.3"
        "a network code that is none"
        "write three octets: digits 2 and 1 of the country, 3 of the network or F, and 3 of the country, 2 and 1 of the network",
    ContentSmsp "content/smsp" Warning "TS 31.102 4.2.27"
        "SMS parameters whose indicators and values differ"
        "clear the indicator bit of each parameter that is there, and write its length and digits",
    ContentOperatorList "content/operator-list" Warning "TS 31.102 4.2.59"
        "EF.OPL names a record of EF.PNN that does not exist"
        "write that record, or name another one",
    ContentSuci "content/suci" Warning "TS 31.102 4.4.11.8"
        "SUCI calculation information that cannot be used"
        "write the schemes A0 { id, key index } and their keys A1 { 80 index, 81 key }: 32 octets for profile A, 33 or 65 for B",
    ContentRoutingIndicator "content/routing-indicator" Warning "TS 31.102 4.4.11.11; TS 24.501 9.11.3.4"
        "a routing indicator that is none"
        "write one to four digits swapped, filled up with F",
    ContentService "content/service" Info "TS 31.102 4.2.8; TS 31.103 4.2.7"
        "a service is announced, and none of its files is there"
        "add the files, or clear the bit in EF.UST or EF.IST",
    ContentFile "content/file" Info "TS 31.102 4.2.8; TS 31.103 4.2.7"
        "an optional file of a service that is not announced"
        "set the bit of the service in EF.UST or EF.IST, or leave the file out",

    // Keys.
    KeyPublished "key/published" Warning "TS.48 on keys that are not public"
        "a key that everybody knows"
        "make random keys for each subscription",
    KeyPattern "key/pattern" Warning "practice"
        "a key with a pattern"
        "make random keys for each subscription: all equal, counting or repeated octets are tried first",
    KeyOpcIsK "key/opc-is-k" Warning "practice"
        "K and OPc are the same"
        "make OPc from the operator's OP: here it would give K away",
    KeySharedInPackage "key/shared-in-package" Warning "practice"
        "two USIMs with one K"
        "make a K for each USIM, unless the network knows both IMSIs under one key",

    // Several IMSIs on one card.
    MultiImsiObject "multi-imsi/object" Error "Simyard, multi-IMSI table"
        "a multi-IMSI table or key set that cannot be read"
        "write it as a description spells it, in one piece",
    MultiImsiKeysInFile "multi-imsi/keys-in-file" Error "practice"
        "keys of a multi-IMSI applet in a file"
        "send them to the applet by processData: whoever reads the file reads the keys",
    MultiImsiApplet "multi-imsi/applet" Warning "practice"
        "a multi-IMSI table without an applet"
        "load the applet that uses it, or demand in eUICC-Mandatory-AIDs that it is on the eUICC",
    MultiImsiKeySet "multi-imsi/key-set" Error "Simyard, multi-IMSI table"
        "entries and key sets that do not fit together"
        "give one key set for each reference, and use 0 for the keys of the USIM",
    MultiImsiTwice "multi-imsi/twice" Error "Simyard, multi-IMSI table"
        "two entries with one index or one IMSI"
        "number the entries, and give each an IMSI of its own",
    MultiImsiFirst "multi-imsi/first" Warning "Simyard, multi-IMSI table"
        "a first entry that is not in EF.IMSI"
        "name the entry whose IMSI stands in EF.IMSI of the USIM",

    // Packages for one eUICC.
    SetIccidTwice "set/iccid-twice" Error "SGP.22 2.4.5.2"
        "two packages with one ICCID"
        "give each profile its own: an eUICC refuses the second",
    SetImsiTwice "set/imsi-twice" Warning "practice"
        "two packages with one IMSI"
        "give each profile its own subscription",
    SetKeyShared "set/key-shared" Warning "practice"
        "a key that stands in two packages"
        "make keys for each package: who learns one learns the other",
}

impl Rule {
    /// The rule with this id.
    #[must_use]
    pub fn find(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_an_id_of_its_own_in_the_form_of_ids() {
        let ids: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            assert_eq!(Rule::find(rule.id()), Some(*rule));
            let letters = |part: &str| {
                !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'-')
            };
            let (area, what) = rule.id().split_once('/').unwrap();
            assert!(letters(area) && letters(what), "{}", rule.id());
            for text in [rule.title(), rule.help(), rule.clause()] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{text}");
            }
        }
        assert_eq!(Rule::find("order"), None);
    }
}

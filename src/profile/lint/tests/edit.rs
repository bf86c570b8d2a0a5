//! Packages for tests: one that is in order, taken apart into TLVs so that anything in it can be made wrong.

use simyard_asn1::saip::ElementKind;
use simyard_asn1::{Oid, Reader, Tag, Writer};

use crate::profile::templates::Template;

/// The AID of the USIM of our profile, of an ISIM, of an RFM instance, of a package and its applet.
pub(super) const USIM_AID: &str = "A0000000871002FFFFFFFF8907090000";
pub(super) const ISIM_AID: &str = "A0000000871004FFFFFFFF8907090000";
pub(super) const RFM_AID: &str = "A00000055910100001";
pub(super) const PACKAGE_AID: &str = "F00000000101";
pub(super) const APPLET_AID: &str = "F0000000010101";
pub(super) const INSTANCE_AID: &str = "F000000001010101";

/// Octets from hexadecimal digits.
pub(super) fn hex(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap_or_else(|_| panic!("{text}"))
}

/// One TLV: octets, or members where the tag is constructed.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) tag: u32,
    pub(super) octets: Vec<u8>,
    pub(super) members: Vec<Self>,
}

/// A primitive TLV.
pub(super) fn leaf(tag: u32, text: &str) -> Node {
    Node { tag, octets: hex(text), members: Vec::new() }
}

/// A constructed TLV.
pub(super) fn branch(tag: u32, members: Vec<Node>) -> Node {
    Node { tag, octets: Vec::new(), members }
}

/// The order of the members of an Fcp.
const FCP: [u32; 10] = [0x82, 0x83, 0x84, 0x8A, 0x8B, 0x80, 0xC6, 0x88, 0xA5, 0xC7];

impl Node {
    fn parse(octets: &[u8]) -> Vec<Self> {
        let mut reader = Reader::new(octets, "test");
        let mut nodes = Vec::new();
        while !reader.is_empty() {
            let tlv = reader.read().unwrap();
            let is_constructed = tlv.tag.is_constructed();
            nodes.push(Self {
                tag: tlv.tag.0,
                octets: if is_constructed { Vec::new() } else { tlv.value.to_vec() },
                members: if is_constructed { Self::parse(tlv.value) } else { Vec::new() },
            });
        }
        nodes
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        if !Tag(self.tag).is_constructed() {
            writer.tlv(Tag(self.tag), &self.octets);
            return;
        }
        writer.nested(Tag(self.tag), |w| self.members.iter().for_each(|member| member.write(w)));
    }

    /// The member at the end of a path of tags, the first one of each.
    pub(super) fn at(&mut self, path: &[u32]) -> &mut Self {
        path.iter().fold(self, |node, tag| {
            let own = node.tag;
            let found = node.members.iter_mut().find(|member| member.tag == *tag);
            found.unwrap_or_else(|| panic!("no {tag:X} in {own:X}"))
        })
    }

    /// Nothing: ends a chain.
    pub(super) fn done(&self) {}

    pub(super) fn set(&mut self, text: &str) {
        self.octets = hex(text);
    }

    pub(super) fn push(&mut self, node: Node) -> &mut Self {
        self.members.push(node);
        self
    }

    pub(super) fn remove(&mut self, tag: u32) -> Node {
        let place = self.members.iter().position(|member| member.tag == tag);
        self.members.remove(place.unwrap_or_else(|| panic!("no {tag:X} in {:X}", self.tag)))
    }

    /// Sets a member, or puts a new one where the order of an Fcp has it; behind the others, where it has not.
    pub(super) fn put(&mut self, tag: u32, text: &str) -> &mut Self {
        if let Some(member) = self.members.iter_mut().find(|member| member.tag == tag) {
            member.set(text);
            return self;
        }
        let rank = |tag: u32| FCP.iter().position(|known| *known == tag).unwrap_or(FCP.len());
        let place = self.members.iter().position(|member| rank(member.tag) > rank(tag));
        let place = place.unwrap_or(self.members.len());
        self.members.insert(place, leaf(tag, text));
        self
    }

    /// The proprietaryEFInfo of an Fcp, made if there is none.
    pub(super) fn proprietary(&mut self) -> &mut Self {
        if !self.members.iter().any(|member| member.tag == 0xA5) {
            let place = self.members.iter().position(|member| member.tag == 0xC7);
            let place = place.unwrap_or(self.members.len());
            self.members.insert(place, branch(0xA5, Vec::new()));
        }
        self.at(&[0xA5])
    }
}

/// A package as TLVs.
#[derive(Clone)]
pub(super) struct Edit(pub(super) Vec<Node>);

fn kind(name: &str) -> ElementKind {
    *ElementKind::KNOWN.iter().find(|kind| kind.name() == name).unwrap_or_else(|| panic!("{name}"))
}

/// An element with its header.
pub(super) fn element(name: &str, identification: u8, mandated: bool, members: Vec<Node>) -> Node {
    let mut header = vec![leaf(0x81, &format!("{identification:02X}"))];
    if mandated {
        header.insert(0, leaf(0x80, ""));
    }
    let mut all = vec![branch(0xA0, header)];
    all.extend(members);
    branch(kind(name).tag().0, all)
}

/// The identifier of a template.
pub(super) fn template(name: &str, version: u8) -> Node {
    let oid = Oid::parse(&Template::identifier(kind(name), version).unwrap()).unwrap();
    Node { tag: 0x81, octets: oid.as_content().to_vec(), members: Vec::new() }
}

impl Edit {
    pub(super) fn of(octets: &[u8]) -> Self {
        Self(Node::parse(octets))
    }

    /// A profile of ours with the data of a subscription: nothing that is published, guessed or used twice.
    pub(super) fn plain() -> Self {
        let template = crate::profile::shipped::find("test-milenage").unwrap().build().unwrap();
        let mut edit = Self::of(&template);
        edit.element("header").at(&[0x83]).set("89882800000000000015");
        edit.content("mf", "EF.ICCID", "98888200000000000051");
        edit.content("usim", "EF.IMSI", "089910041500000030");
        edit.content("usim", "EF.ACC", "0008");
        edit.content("usim", "EF.AD", "00000002");
        let puks = edit.element("pukCodes").at(&[0xA1]);
        for (puk, code) in puks.members.iter_mut().zip(["3531393337343630", "3833303136353732"]) {
            puk.put(0x81, code);
        }
        let pins = edit.element("pinCodes").at(&[0xA1, 0xA0]);
        for (pin, code) in pins.members.iter_mut().zip(["31333937FFFFFFFF", "A1B2C3D4E5F60718"]) {
            pin.put(0x81, code);
        }
        edit.nth("pinCodes", 1).at(&[0xA1, 0xA0, 0x30]).put(0x81, "3731393032383634");
        let algorithm = edit.element("akaParameter").at(&[0xA1, 0xA1]);
        algorithm.put(0x82, "8E1F40B7C26A95D30B7CE158F39246AD").put(0x83, "17D6A3489FE0B25C41387BC90E6DF52A");
        let keys = edit.element("securityDomain").at(&[0xA2]);
        for (key, data) in keys.members.iter_mut().zip([
            "62F7094DB81CE3A5901E5BC47D28AF36",
            "B03C916EE45D782FA10B96CF58247DE3",
            "29A4D80F7B61CE3513F69D40E8B27C5A",
        ]) {
            key.at(&[0x30, 0x30]).put(0x86, data);
        }
        edit
    }

    /// Our profile, personalised, with an ISIM, file management, remote file management and an applet.
    pub(super) fn rich() -> Self {
        let mut edit = Self::plain();
        let services = edit.element("header").at(&[0xA5]);
        services.members.insert(1, leaf(0x82, ""));
        services.push(leaf(0x8B, ""));
        edit.element("header").at(&[0xA6]).push(Node { tag: 0x06, ..template("isim", 1) });
        edit.content("mf", "EF.DIR", &(directory_entry(USIM_AID) + &directory_entry(ISIM_AID)));
        edit.fcp("mf", "EF.DIR").put(0x80, "34");
        let place = edit.place("securityDomain", 0);
        edit.0.splice(place..place, isim());
        edit.0.insert(
            place,
            management(20, vec![path("7FD0"), create("4121", "6F70", "05"), fill("0102030405")]),
        );
        let end = edit.place("end", 0);
        edit.0.splice(end..end, [rfm(30, RFM_AID, "B00140"), application(31)]);
        edit
    }

    /// A key without pattern.
    pub(super) fn random(seed: u64) -> [u8; 16] {
        crate::env::Rng::seeded(seed).array()
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.0.iter().for_each(|node| node.write(&mut writer));
        writer.finish()
    }

    /// The place of the n-th element of a kind.
    pub(super) fn place(&self, name: &str, number: usize) -> usize {
        let tag = kind(name).tag().0;
        let mut places = self.0.iter().enumerate().filter(|(_, node)| node.tag == tag);
        places.nth(number).unwrap_or_else(|| panic!("no {name}")).0
    }

    pub(super) fn element(&mut self, name: &str) -> &mut Node {
        self.nth(name, 0)
    }

    pub(super) fn nth(&mut self, name: &str, number: usize) -> &mut Node {
        let place = self.place(name, number);
        &mut self.0[place]
    }

    pub(super) fn insert_before(&mut self, name: &str, node: Node) {
        let place = self.place(name, 0);
        self.0.insert(place, node);
    }

    /// Moves the first element of a kind in front of the first one of another.
    pub(super) fn move_before(&mut self, name: &str, other: &str) {
        let place = self.place(name, 0);
        let node = self.0.remove(place);
        self.insert_before(other, node);
    }

    pub(super) fn remove(&mut self, name: &str) -> Node {
        let place = self.place(name, 0);
        self.0.remove(place)
    }

    /// Lists a mandatory service.
    pub(super) fn service(&mut self, number: u32) {
        self.element("header").at(&[0xA5]).push(leaf(0x80 | number, ""));
    }

    /// The field of a file, made if there is none.
    pub(super) fn file(&mut self, name: &str, file: &str) -> &mut Node {
        let node = self.element(name);
        let oid = Oid::from_content(&node.at(&[0x81]).octets).unwrap();
        let template = Template::find(&oid).unwrap();
        let field = template.rows().find(|row| row.name == file).unwrap_or_else(|| panic!("{file}")).field;
        let tag = Tag::context_constructed(field);
        if !node.members.iter().any(|member| member.tag == tag.0) {
            let place = node.members.iter().skip(2).position(|member| Tag(member.tag).number() > field);
            let place = place.map_or(node.members.len(), |place| place + 2);
            node.members.insert(place, branch(tag.0, Vec::new()));
        }
        node.at(&[tag.0])
    }

    /// The Fcp of a file, made if there is none.
    pub(super) fn fcp(&mut self, name: &str, file: &str) -> &mut Node {
        let field = self.file(name, file);
        field.members.retain(|part| part.tag != 0x80);
        if field.members.first().is_none_or(|first| first.tag != 0xA1) {
            field.members.insert(0, branch(0xA1, Vec::new()));
        }
        field.at(&[0xA1])
    }

    /// Writes the content of a file.
    pub(super) fn content(&mut self, name: &str, file: &str, text: &str) {
        let field = self.file(name, file);
        field.members.retain(|part| part.tag == 0xA1);
        field.push(leaf(0x83, text));
    }
}

/// A record of EF.DIR.
pub(super) fn directory_entry(aid: &str) -> String {
    format!("61184F10{aid}500453494D31")
}

fn isim() -> Vec<Node> {
    let name = |text: &str| {
        let length = text.len();
        format!("80{length:02X}{}", hex::encode(text))
    };
    let impi = name("901405100000003@ims.example.org");
    let impu = name("sip:901405100000003@ims.example.org");
    let domain = name("ims.example.org");
    let sized = |field: u32, fcp: Vec<Node>, content: &str| {
        branch(field, vec![branch(0xA1, fcp), leaf(0x83, content)])
    };
    let size = |content: &str| leaf(0x80, &format!("{:02X}", content.len() / 2));
    let record = |length: usize| leaf(0x82, &format!("4221{length:04X}"));
    let rules = ["800101A40683010195010880015AA40683010A950108", "800101900080015AA40683010A950108"];
    let mut arr = String::new();
    for rule in rules {
        arr.push_str(&format!("{rule:F<44}"));
    }
    let second = |mut fcp: Vec<Node>, number: &str| {
        let place = usize::from(fcp.first().is_some_and(|first| first.tag == 0x82));
        fcp.insert(place, leaf(0x8B, &format!("6F06{number}")));
        fcp
    };
    let files = vec![
        template("isim", 1),
        branch(
            0xA2,
            vec![branch(0xA1, vec![leaf(0x83, "7FB0"), leaf(0x84, ISIM_AID), leaf(0xC6, "81010A")])],
        ),
        sized(0xA3, second(vec![size(&impi)], "01"), &impi),
        sized(0xA4, second(vec![record(impu.len() / 2), size(&impu)], "01"), &impu),
        sized(0xA5, second(vec![size(&domain)], "01"), &domain),
        sized(0xA6, second(Vec::new(), "01"), "0000000000000000000000000000"),
        sized(0xA7, second(Vec::new(), "02"), "000000"),
        sized(0xA8, second(vec![record(22), leaf(0x80, "2C")], "02"), &arr),
    ];
    vec![
        element("isim", 21, true, files),
        element("pinCodes", 22, true, vec![branch(0xA1, vec![leaf(0x81, "7FD0")])]),
        element(
            "akaParameter",
            23,
            true,
            vec![branch(0xA1, vec![branch(0xA0, vec![leaf(0x80, "06"), leaf(0x81, USIM_AID)])])],
        ),
    ]
}

/// Commands of file management.
pub(super) fn management(identification: u8, commands: Vec<Node>) -> Node {
    let lists = branch(0xA1, vec![branch(0x30, commands)]);
    element("genericFileManagement", identification, true, vec![lists])
}

pub(super) fn path(text: &str) -> Node {
    leaf(0x80, text)
}

pub(super) fn fill(text: &str) -> Node {
    leaf(0x81, text)
}

/// A file by descriptor, identifier and size, with the access rule 5 of its application.
pub(super) fn create(descriptor: &str, fid: &str, size: &str) -> Node {
    branch(
        0x62,
        vec![leaf(0x82, descriptor), leaf(0x83, fid), leaf(0x8B, "6F0605"), leaf(0x80, size), leaf(0x88, "")],
    )
}

/// A directory by its identifier.
pub(super) fn create_directory(fid: &str) -> Node {
    branch(0x62, vec![leaf(0x82, "7821"), leaf(0x83, fid), leaf(0x8B, "2F060E"), leaf(0xC6, "010A")])
}

/// A remote file management instance for the USIM.
pub(super) fn rfm(identification: u8, aid: &str, tar: &str) -> Node {
    let members = vec![
        leaf(0x4F, aid),
        branch(0xA0, vec![leaf(0x04, tar)]),
        leaf(0x81, "16"),
        leaf(0x04, "02000100"),
        leaf(0x04, "02000100"),
        branch(0x30, vec![leaf(0x80, USIM_AID), leaf(0x81, "02000100"), leaf(0x82, "02000100")]),
    ];
    element("rfm", identification, true, members)
}

/// A CAP file of a Header component alone.
pub(super) const CAP: &str = "01000ADECAFFED010204000101";

/// A package and an instance of its applet.
pub(super) fn application(identification: u8) -> Node {
    let block = vec![leaf(0x4F, PACKAGE_AID), leaf(0xC4, CAP)];
    let instance = vec![
        leaf(0x4F, PACKAGE_AID),
        leaf(0x4F, APPLET_AID),
        leaf(0x4F, INSTANCE_AID),
        leaf(0x82, "00"),
        leaf(0xC9, "8100"),
        branch(0xEA, vec![leaf(0x80, "010000000002011603F1000100")]),
    ];
    let members = vec![branch(0xA1, block), branch(0xA2, vec![branch(0x30, instance)])];
    element("application", identification, true, members)
}

/// A supplementary security domain with one key set for SCP80.
pub(super) fn security_domain(identification: u8, aid: &str) -> Node {
    let key = |number: u8, usage: &str, data: &str| {
        branch(
            0x30,
            vec![
                leaf(0x95, usage),
                leaf(0x82, &format!("{number:02X}")),
                leaf(0x83, "01"),
                branch(0x30, vec![branch(0x30, vec![leaf(0x80, "88"), leaf(0x86, data)])]),
            ],
        )
    };
    let instance = vec![
        leaf(0x4F, "A0000001515350"),
        leaf(0x4F, "A000000151535041"),
        leaf(0x4F, aid),
        leaf(0x82, "808000"),
        leaf(0x83, "0F"),
        leaf(0xC9, "81028000"),
    ];
    let keys = vec![
        key(1, "18", "9A3C51E07F2286D4B51D604E8CF30B77"),
        key(2, "14", "0CE4A18D3357FB96E29A40D1B85F6E23"),
        key(3, "48", "D76B90F23A8E1C05497FE8B26D0CA31B"),
    ];
    element("securityDomain", identification, true, vec![branch(0xA1, instance), branch(0xA2, keys)])
}

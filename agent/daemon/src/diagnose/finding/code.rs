//! The words for how steps end and for what can be found.

/// How a step ended, or stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its turn has not come.
    Waiting,
    /// Under way.
    Running,
    /// Nothing is wrong with it.
    Good,
    /// Not as it should be.
    Fair,
    /// Wrong.
    Bad,
    /// It could not be looked at.
    Skipped,
}

impl State {
    /// All of them.
    const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Running,
        Self::Good,
        Self::Fair,
        Self::Bad,
        Self::Skipped,
    ];

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Bad => "bad",
            Self::Skipped => "skipped",
        }
    }
}

macro_rules! findings {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// What can be found.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FindingCode {
            $($(#[doc = $doc])+ $name,)+
        }

        impl FindingCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Reads the word.
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == word)
            }

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

findings! {
    /// The interface to the Internet is switched off.
    InterfaceDown = "interface_down",
    /// No signal on the line.
    NoCarrier = "no_carrier",
    /// The provider gives no address.
    NoAddress = "no_address",
    /// The provider refuses user name or password.
    LoginRefused = "login_refused",
    /// The SIM card or its PIN is refused.
    SimRefused = "sim_refused",
    /// The provider's first box does not answer.
    GatewaySilent = "gateway_silent",
    /// The way ends in the provider's network.
    ProviderNetwork = "provider_network",
    /// The way ends behind it.
    BeyondProvider = "beyond_provider",
    /// No name server answers.
    NamesDown = "names_down",
    /// Those of the provider do not.
    ProviderNamesDown = "provider_names_down",
    /// The router's own does not.
    RouterNamesHang = "router_names_hang",
    /// Another page came than the known one.
    LoginPage = "login_page",
    /// No page came.
    PageUnreachable = "page_unreachable",
    /// Long packets vanish, and nobody says so.
    LargePacketsLost = "large_packets_lost",
    /// The clock is wrong.
    ClockWrong = "clock_wrong",
    /// A server's certificate proves nothing.
    CertificateRefused = "certificate_refused",
    /// IPv4 has an address and leads nowhere, IPv6 works.
    Ipv4Broken = "ipv4_broken",
    /// The reverse.
    Ipv6Broken = "ipv6_broken",
    /// The Internet works from here.
    Works = "works",
    /// What would prove it could not be looked at.
    NotChecked = "not_checked",
    /// Nothing outside answers, so that nothing can be slow.
    NoConnection = "no_connection",
    /// The home uses the line itself.
    LineInUse = "line_in_use",
    /// The asking device's Wi-Fi is weak.
    WeakWifi = "weak_wifi",
    /// The router's processor is the limit.
    RouterBusy = "router_busy",
    /// Delay or loss begins on the line itself.
    AccessDisturbed = "access_disturbed",
    /// It begins further away.
    TroubleBeyond = "trouble_beyond",
    /// Less speed than the contract has.
    LessThanPaid = "less_than_paid",
    /// Less speed than this line had before.
    SlowerThanUsual = "slower_than_usual",
    /// A full line delays everything.
    QueueBloat = "queue_bloat",
    /// Names take long.
    NamesSlow = "names_slow",
    /// IPv4 is slower than IPv6.
    Ipv4Slow = "ipv4_slow",
    /// The reverse.
    Ipv6Slow = "ipv6_slow",
    /// The way is another than before.
    PathChanged = "path_changed",
    /// Nothing is slow.
    NotSlow = "not_slow",
    /// What the line carries.
    Speed = "speed",
}

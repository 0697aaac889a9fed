//! Declares raw structures: one declaration gives the type, its reader and its JSON schema.
//!
//! Owns the macro `object!`. Because keys, need, type and doc comment stand there once, reader and
//! schema cannot disagree on which keys there are.

/// Declares a mapping of the configuration.
///
/// ```text
/// object! {
///     /// What the mapping is, for the schema.
///     RawRule, "a rule of `images`", exactly one of ["semver", "calver"];
///     /// What the key means, its default, an example.
///     "minAge" optional min_age: Age,
/// }
/// ```
macro_rules! object {
    (
        $(#[doc = $about:literal])+
        $name:ident, $what:literal $(, $($choice:ident)+ [$($one:literal),+ $(,)?])?;
        $( $(#[doc = $doc:literal])+ $key:literal $need:ident $field:ident : $ty:ty, )*
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone)]
        #[allow(dead_code, reason = "not every mapping's place is asked for, nor the grammar's version")]
        pub(crate) struct $name {
            /// The bytes at which the mapping begins.
            pub(crate) at: crate::model::file::Span,
            $( $(#[doc = $doc])+ pub(crate) $field: crate::config::reader::Field<$ty>, )*
        }

        impl $name {
            const CHOICE: crate::config::reader::Choice = object!(@choice $($($choice)+ [$($one),+])?);
        }

        impl crate::config::reader::Read for $name {
            fn read(
                node: &crate::config::yaml::Node,
                reader: &mut crate::config::reader::Reader<'_>,
            ) -> Option<Self> {
                let entries = reader.entries(node, $what, &[$($key),*], Self::CHOICE)?;
                Some(Self {
                    at: node.span.start..node.span.start,
                    $( $field: reader.field(&entries, $what, $key, object!(@need $need)), )*
                })
            }

            fn schema(schemas: &mut crate::config::schema::Schemas) -> serde_json::Value {
                schemas.object(stringify!($name), concat!($($about, "\n"),+), Self::CHOICE, |schemas| {
                    vec![$( crate::config::schema::Property {
                        key: $key,
                        need: object!(@need $need),
                        description: concat!($($doc, "\n"),+),
                        schema: <$ty as crate::config::reader::Read>::schema(schemas),
                    } ),*]
                })
            }
        }
    };
    (@need required) => { crate::config::reader::Need::Required };
    (@need optional) => { crate::config::reader::Need::Optional };
    (@choice) => { crate::config::reader::Choice::Free };
    (@choice exactly one of [$($one:literal),+]) => { crate::config::reader::Choice::ExactlyOne(&[$($one),+]) };
}

pub(crate) use object;
